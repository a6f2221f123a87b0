"""A contract of the root shard's own, as commands ask and call it through any node of the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zg_node.cli.client import RpcClient
from zg_node.cli.signer import Signer
from zg_node.cli.transaction import Fees, report, send_transaction, take_sender
from zg_node.cli.values import coins, percent
from zg_node.contracts.abi import Interface, interface
from zg_node.errors import InvalidConfig, InvalidRequest, Reverted, Unavailable
from zg_node.keys import checksum


class _Value(int):
    """A number that a sentence may show as coins (from wei) or as per cent (from parts per million)."""

    def __format__(self, spec: str) -> str:
        match spec:
            case "coins":
                return coins(self)
            case "ppm":
                return percent(self)
            case _:
                return super().__format__(spec)


@dataclass(frozen=True, slots=True)
class Contract:
    """One contract of a running network."""

    node: RpcClient
    address: bytes
    artifact: str
    """Whose ABI it has."""
    title: str
    """What people call it."""
    sentences: Mapping[str, str]
    """What its errors mean to a person; the values come in the error's order."""

    def read(self, name: str, *values: object) -> tuple[Any, ...]:
        """A view's values. Raises InvalidConfig, InvalidRequest, Unavailable."""
        return self._interface.functions[name].decode(self.call(name, *values))

    def call(self, name: str, *values: object) -> bytes:
        """A view's answer as it came. Raises InvalidConfig, InvalidRequest, Unavailable."""
        data = self._interface.functions[name].encode(*values)
        try:
            answer = self.node.call("eth_call", {"to": checksum(self.address), "input": "0x" + data.hex()}, "latest")
        except Reverted as error:
            raise InvalidRequest(self._sentence(error)) from error
        if answer == "0x":
            raise InvalidConfig(f"{self.node.url} has no {self.title}: is it the root shard of a network with one?")
        try:
            return bytes.fromhex(str(answer).removeprefix("0x"))
        except ValueError as error:
            raise Unavailable(f"{self.node.url} answered eth_call with {answer!r}") from error

    def send(self, signer: Signer, fees: Fees, name: str, *values: object, value: int = 0) -> dict[str, object]:
        """Call a function in a transaction and wait for it. Raises InvalidConfig, InvalidRequest, Unavailable."""
        data = self._interface.functions[name].encode(*values)
        try:
            return send_transaction(self.node, signer, fees, self.address, value, data)
        except Reverted as error:
            raise InvalidRequest(self._sentence(error)) from error

    def perform(self, options: dict[str, Any], as_json: bool, name: str, *values: object, value: int = 0) -> None:
        """`send` as a command's options say, and show what became of it."""
        signer, fees = take_sender(options)
        report(self.send(signer, fees, name, *values, value=value), as_json)

    @property
    def _interface(self) -> Interface:
        return interface(self.artifact)

    def _sentence(self, error: Reverted) -> str:
        """What the contract's refusal means."""
        decoded = self._interface.decode_error(error.data)
        if decoded is None:
            return str(error)
        name, values = decoded
        shown = [_Value(value) if isinstance(value, int) else value for value in values]
        return self.sentences[name].format(*shown) if name in self.sentences else f"the {self.title} refuses: {name}"
