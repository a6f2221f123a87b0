"""A root shard under test: a few accounts, short epochs, the real engine, pool and state; one transaction a block."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rlp
from coincurve import PrivateKey

from tests.bls import pubkey, pubkey48
from zg_node import _core
from zg_node.contracts import staking
from zg_node.contracts.abi import interface
from zg_node.errors import Reverted
from zg_node.execution.engine import Engine
from zg_node.execution.genesis import Genesis, parse
from zg_node.execution.pyevm import PyEvmEngine
from zg_node.keys import address_of
from zg_node.types.block import BODY_MAX_BYTES, Attributes

COIN = 10**18
GWEI = 10**9
EPOCH_BLOCKS = 20
UNBONDING_EPOCHS = 4
JAIL_EPOCHS = 2
REWARD = 100 * COIN
RESERVE = 1_000 * COIN
STAKES = (400, 100, 64, 36)
"""Coins of the genesis validators, in the order of `OPERATORS`."""


def secret(number: int) -> bytes:
    """The private key of account `number`."""
    return (number + 1).to_bytes(32, "big")


def account(number: int) -> bytes:
    return address_of(secret(number))


OPERATORS = (100, 101, 102, 103)
VOTERS = (200, 201, 202, 203)
"""Account numbers."""
RICH = (*OPERATORS, 0, 1, 2, 3)


def chain_file(**staking_keys: object) -> str:
    """A network of four validators."""
    rules = {
        "epoch_blocks": EPOCH_BLOCKS,
        "unbonding_epochs": UNBONDING_EPOCHS,
        "jail_epochs": JAIL_EPOCHS,
        "reward_per_epoch_wei": str(REWARD),
        "reserve_wei": str(RESERVE),
        **staking_keys,
    }
    lines = [
        'name = "staking"\nchain_id = 7\nfork = "osaka"\ntimestamp_s = 1_000\nblock_gas_limit = 500_000_000',
        "[fees]\ngas_per_s = 1_000_000_000\nbase_fee_floor_wei = 1\nmax_change_per_mille = 125",
        "[staking]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in rules.items()),
    ]
    lines += [f'[[accounts]]\naddress = "0x{account(n).hex()}"\nbalance_wei = "{10**6 * COIN}"' for n in RICH]
    lines += [
        f'[[validators]]\naddress = "0x{account(voter).hex()}"\noperator = "0x{account(operator).hex()}"\n'
        f'stake = {stake}\npubkey48 = "{pubkey48(voter)}"\ncommission_ppm = 100_000'
        for voter, operator, stake in zip(VOTERS, OPERATORS, STAKES, strict=True)
    ]
    return "\n\n".join(lines)


@dataclass(frozen=True)
class Receipt:
    """What became of a transaction."""

    success: bool
    gas_used: int
    events: tuple[tuple[str, dict[str, Any]], ...]
    """(name, fields) of the staking contract's own."""


class StakingChain:
    """Shard 0 of a network with the staking contract."""

    def __init__(self, directory: Path, genesis: Genesis | None = None, engine: Engine | None = None) -> None:
        self.genesis = genesis or parse(chain_file(), "staking.toml")
        self.calls = _core.Engine(self.genesis.chain_id(0))
        self.engine = engine or self.calls
        self.state = _core.State(str(directory), 8 << 20, None)
        self.pool = _core.Pool(
            self.genesis.chain_id(0), max_transactions=100, max_bytes=1 << 24, max_per_sender=100,
            max_queued_per_sender=10, max_queued=50, lifetime_ms=1 << 40, price_bump_percent=10, min_tip=0,
            allow_unprotected=False,
        )  # fmt: skip
        block = self.engine.genesis(self.state, self._attributes(0), self.genesis.allocation(0))
        self.head, self.number, self.header = block.hash, 0, block.header
        self.receipts: list[Any] = []

    def _attributes(self, number: int) -> Attributes:
        limit = self.genesis.file.block_gas_limit
        return Attributes(number, 1_000 + number, b"\xcb" * 20, limit, 1, bytes(32), bytes(32), bytes(32))

    # ── blocks ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def block(self, raws: Sequence[bytes] = (), calls: Sequence[tuple[bytes, bytes]] = ()) -> _core.Executed:
        """A final block of `raws`, closed with `calls`. Raises InvalidBlock."""
        for answer in self.pool.add(self.state, self.head, 1, self.genesis.file.block_gas_limit, raws, 0):
            assert isinstance(answer, bytes), answer
        attributes = self._attributes(self.number + 1)
        block = self.engine.build(
            self.state, self.head, attributes, self.pool, attributes.gas_limit, BODY_MAX_BYTES, calls
        )
        assert block.tx_count == len(raws)
        self.state.finalise(block.hash)
        self.pool.commit(self.state, block.hash, block, 1, 0)
        self.head, self.number, self.header = block.hash, block.number, block.header
        self.receipts = rlp.decode(block.receipts)
        return block

    def end_epoch(self, *missed: int) -> None:
        """The last block of an epoch; before it the voters with these numbers missed their views."""
        self.block(calls=staking.closing_calls(self.epoch, True, [account(number) for number in missed]))

    def end_epochs(self, count: int) -> None:
        for _ in range(count):
            self.end_epoch()

    # ── transactions ────────────────────────────────────────────────────────────────────────────────────────────────

    def send(
        self, sender: int, data: bytes, *, value: int = 0, to: bytes | None = staking.STAKING, gas: int = 16_000_000
    ) -> Receipt:
        """A transaction in a block of its own; `to` None creates a contract."""
        found = self.state.account(self.head, account(sender))
        nonce = 0 if found is None else found[0]
        fields: dict[str, object] = {
            "type": "0x2", "chainId": hex(self.genesis.chain_id(0)), "nonce": hex(nonce), "gas": hex(gas),
            "maxFeePerGas": hex(GWEI), "maxPriorityFeePerGas": "0x0", "value": hex(value), "input": "0x" + data.hex(),
        }  # fmt: skip
        if to is not None:
            fields["to"] = "0x" + to.hex()
        self.block([_core.sign_transaction_json(json.dumps(fields).encode(), secret(sender))])
        [(status, used, logs)] = self.receipts
        known = interface("Staking").events
        events = tuple(
            (known[topics[0]].name, known[topics[0]].decode(topics, data))
            for address, topics, data in logs
            if address == staking.STAKING
        )
        return Receipt(status == b"\1", int.from_bytes(used, "big"), events)

    def do(self, sender: int, name: str, *values: object, value: int = 0) -> Receipt:
        """Call a function of the staking contract, which must succeed. Raises Reverted with the contract's error."""
        data = staking.function(name).encode(*values)
        self.call(data, sender=sender, value=value)
        receipt = self.send(sender, data, value=value)
        assert receipt.success
        return receipt

    def refusal(self, sender: int, name: str, *values: object, value: int = 0) -> str:
        """The contract's error on a call that it must refuse."""
        try:
            self.call(staking.function(name).encode(*values), sender=sender, value=value)
        except Reverted as error:
            return explain(error)
        raise AssertionError(f"{name} was accepted")

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def call(
        self, data: bytes, *, sender: int = 0, value: int = 0, to: bytes = staking.STAKING, caller: bytes | None = None
    ) -> bytes:
        """eth_call on the head. Raises Reverted."""
        who = caller or account(sender)
        request = {"from": "0x" + who.hex(), "to": "0x" + to.hex(), "value": hex(value), "input": "0x" + data.hex()}
        call = _core.CallRequest(json.dumps(request).encode(), None, 400_000_000, 60_000)
        [answer] = self.calls.call(self.state, self.head, self.header, [call])
        if isinstance(answer, bytes):
            return answer
        raise Reverted(answer.message, answer.data or b"")

    def read(self, name: str, *values: object) -> Any:
        """A view of the staking contract; its value, or values."""
        function = staking.function(name)
        decoded = function.decode(self.call(function.encode(*values)))
        return decoded[0] if len(decoded) == 1 else decoded

    @property
    def epoch(self) -> int:
        return int(self.read("epoch"))

    def info(self, validator: bytes) -> staking.ValidatorInfo:
        return staking.decode_info(self.call(staking.function("validatorInfo").encode(validator)))

    def members(self, call: bytes) -> dict[bytes, int]:
        """Voter → stake of a set."""
        return dict(staking.decode_set(self.call(call)))

    def balance(self, address: bytes) -> int:
        found = self.state.account(self.head, address)
        return 0 if found is None else found[1]


def genesis_validator(index: int) -> bytes:
    """The address of the genesis validator with this index in `OPERATORS`."""
    return staking.validator_address(pubkey(VOTERS[index]))


def sign(number: int, digest: bytes) -> bytes:
    """65 bytes, as the node signs."""
    return PrivateKey(secret(number)).sign_recoverable(digest, hasher=None)


def second_opinion(genesis: Genesis) -> PyEvmEngine:
    """py-evm for this network, sealed by the core at the rules that py-evm knows."""
    native = _core.Engine(genesis.chain_id(0), fork="prague")
    return PyEvmEngine(native, genesis.chain_id(0), clock_s=lambda: 0.0)


def explain(error: Reverted) -> str:
    """A refusal as `StillJailed(7)`, or the node's sentence when it is none of the contract's errors."""
    return staking.explain(error.data) or str(error)
