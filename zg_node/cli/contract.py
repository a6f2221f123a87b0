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
from zg_node.keys import address_of, checksum


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
        """Call a function in a transaction and wait for it, unless `fees` say not to: then there is no "status".

        Raises InvalidConfig, InvalidRequest (refused, or reverted), Unavailable."""
        data = self._interface.functions[name].encode(*values)
        try:
            record = send_transaction(self.node, signer, fees, self.address, value, data)
        except Reverted as error:
            raise InvalidRequest(self._sentence(error)) from error
        if record.get("status") == "reverted":
            why = self._why_reverted(address_of(signer.secret()), fees, value, data)
            raise InvalidRequest(f"transaction {record['transaction']} changed nothing: {why}")
        return record

    def perform(self, options: dict[str, Any], as_json: bool, name: str, *values: object, value: int = 0) -> None:
        """`send` as a command's options say, and show what became of it."""
        signer, fees = take_sender(options)
        report(self.send(signer, fees, name, *values, value=value), as_json)

    def _why_reverted(self, sender: bytes, fees: Fees, value: int, data: bytes) -> str:
        """What a call with all the gas that it wants says of a transaction that reverted."""
        call = {"from": checksum(sender), "to": checksum(self.address), "value": hex(value), "input": "0x" + data.hex()}
        try:
            self.node.call("eth_call", call, "latest")
        except Reverted as error:
            return self._sentence(error)
        if fees.gas is not None:
            return f"it ran out of gas, of which --gas allowed {fees.gas}; without --gas the node's estimate is taken"
        return "another transaction came first; try again"

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
