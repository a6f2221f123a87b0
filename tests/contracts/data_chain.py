"""A root shard under test for the contract of data availability: four holders, blobs, certificates, short periods."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from tests.bls import pubkey48
from tests.contracts.staking_chain import COIN, EPOCH_BLOCKS, VOTERS, StakingChain, account, chain_file, sign
from zg_node import _core
from zg_node.contracts import da, staking
from zg_node.contracts.abi import interface
from zg_node.da.assignment import Assignment, assign
from zg_node.da.certificate import Blob
from zg_node.da.holders import Holder, HolderSet
from zg_node.errors import Reverted
from zg_node.execution.engine import Engine
from zg_node.execution.genesis import Genesis, parse
from zg_node.types.block import Attributes
from zg_node.types.hashing import keccak

RULES: dict[str, object] = {
    "life_epochs": 4,
    "request_blocks": 8,
    "answer_blocks": 10,
    "min_stake": 32,
    "challenge_bond_wei": str(COIN),
    "byte_price_wei": 1_000,
    "blob_price_wei": 77,
    "slash_ppm": 100_000,
}
BOND = COIN
SYSTEM = b"\xff" * 19 + b"\xfe"
SIGNERS = {account(number): number for number in VOTERS}
"""Of the genesis holders: address → account number."""


def data_file(text: str | None = None, **rules: object) -> str:
    """A chain file with short periods for blobs and challenges."""
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in {**RULES, **rules}.items())
    return f"{text or chain_file()}\n\n[da]\n{lines}\n"


class DataChain(StakingChain):
    """Shard 0; what it does and reads by name is of the contract of data availability."""

    def __init__(self, directory: Path, genesis: Genesis | None = None, engine: Engine | None = None) -> None:
        super().__init__(directory, genesis or parse(data_file(), "data.toml"), engine)
        self.network = self.genesis.network
        self.numbers = dict(SIGNERS)
        """Account numbers of those who may sign, by address."""

    def _attributes(self, number: int) -> Attributes:
        return replace(super()._attributes(number), prev_randao=randao(number))

    # ── blocks and transactions ─────────────────────────────────────────────────────────────────────────────────────

    def end_epoch(self, *missed: int) -> None:
        absent = [account(number) for number in missed]
        self.block(calls=(*staking.closing_calls(self.epoch, True, absent), *da.closing_calls(self.epoch, True)))

    def advance(self, blocks: int) -> None:
        """Empty blocks of the same epoch."""
        for _ in range(blocks):
            self.block()

    def act(self, sender: int, data: bytes, *, value: int = 0) -> int:
        """A transaction that must succeed, in a block of its own; returns its gas."""
        receipt = self.send(sender, data, value=value, to=da.DATA_AVAILABILITY)
        assert receipt.success, self.refused(sender, data, value=value)
        return receipt.gas_used

    def refused(self, sender: int, data: bytes, *, value: int = 0) -> str:
        """The contract's error on call data that it must refuse in a block like the newest."""
        try:
            self.call(data, sender=sender, value=value, to=da.DATA_AVAILABILITY)
        except Reverted as error:
            return da.explain(error.data) or str(error)
        raise AssertionError("the call was accepted")

    def fails(self, sender: int, data: bytes, *, value: int = 0) -> str:
        """As `refused`, of a transaction in the next block."""
        assert not self.send(sender, data, value=value, to=da.DATA_AVAILABILITY).success
        return self.refused(sender, data, value=value)

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """(name, fields) that the contract logged in the newest block."""
        known = interface("DataAvailability").events
        return [
            (known[topics[0]].name, known[topics[0]].decode(topics, data))
            for _, _, logs in self.receipts
            for address, topics, data in logs
            if address == da.DATA_AVAILABILITY
        ]

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def ask(self, data: bytes) -> bytes:
        """The contract's answer."""
        return self.call(data, to=da.DATA_AVAILABILITY)

    def read(self, name: str, *values: object) -> Any:
        """A view of the contract; its value, or values."""
        function = da.function(name)
        decoded = function.decode(self.ask(function.encode(*values)))
        return decoded[0] if len(decoded) == 1 else decoded

    def holders(self, epoch: int) -> tuple[tuple[bytes, int, str], ...]:
        return da.decode_holders(self.ask(da.holders_call(epoch)))

    def stakes(self, epoch: int) -> dict[bytes, int]:
        """Signer → coins in the set of an epoch."""
        return {signer: stake for signer, stake, _ in self.holders(epoch)}

    def holder(self, signer: bytes) -> da.HolderInfo:
        return da.decode_holder_info(self.ask(da.holder_info_call(signer)))

    def blob_info(self, blob: Blob) -> da.BlobInfo:
        return da.decode_blob_info(self.ask(da.blob_info_call(blob.id(self.network))))

    def fee(self, blob: Blob) -> int:
        config = da.decode_config(self.ask(da.function("config").encode()))
        return config.fee(blob.length, blob.expiry - blob.epoch + 1)

    def owed(self, number: int) -> int:
        """Wei that an account may collect."""
        return int(self.read("owedTo", account(number)))

    def staking_reserve(self) -> int:
        """Wei that the validators' rewards are paid from."""
        reserve = staking.function("reserve")
        return int(reserve.decode(self.call(reserve.encode()))[0])

    # ── blobs ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def blob(self, text: str = "a blob", *, epochs: int = 2) -> Blob:
        """A blob of this epoch that lives for `epochs`; its commitment is real, see `encoding`."""
        encoding = encoded(text)
        commitment = hashlib.sha256(encoding.header()).digest()
        return Blob(commitment, len(encoding.blob()), 0, self.epoch, self.epoch + epochs - 1)

    def request(self, blob: Blob, sender: int = 0) -> Blob:
        """Pay for a blob."""
        self.act(sender, da.request(blob), value=self.fee(blob))
        return blob

    def assignment(self, blob: Blob, rows: int) -> Assignment:
        """Who keeps which of the blob's `rows` rows, as the node computes it."""
        holders = HolderSet(tuple(Holder(*member) for member in self.holders(blob.epoch)))
        beacon = da.decode_beacon(self.ask(da.beacon_call(blob.epoch)))
        assert beacon is not None
        return assign(holders, blob, beacon, rows)

    def signature(self, blob: Blob, index: int) -> bytes:
        """What holder `index` of the blob's epoch signs."""
        signer = self.holders(blob.epoch)[index][0]
        return sign(self.numbers[signer], blob.digest(self.network))

    def certificate(self, blob: Blob, indices: Iterable[int]) -> bytes:
        """Call data of a certificate with these holders' signatures."""
        return da.certify(blob.id(self.network), [(index, self.signature(blob, index)) for index in indices])

    def certified(self, blob: Blob | None = None, indices: Iterable[int] = range(4), sender: int = 0) -> Blob:
        """A blob that is paid for and certified."""
        blob = blob or self.blob()
        self.request(blob, sender)
        self.act(0, self.certificate(blob, indices))
        return blob


def call(name: str, *values: object) -> bytes:
    """Call data of a function of the contract."""
    return da.function(name).encode(*values)


def registration(chain: DataChain, owner: int, signer: int, peer: str = "") -> bytes:
    """Call data with which account `owner` makes account `signer` its holder."""
    digest = da.registration_digest(chain.network, chain.genesis.chain_id(0), account(owner))
    return da.register(account(signer), peer, sign(signer, digest))


def register(chain: DataChain, owner: int, signer: int, coins: int = 50) -> None:
    """Make account `signer` a holder of account `owner`, who deposits `coins`."""
    chain.act(owner, registration(chain, owner, signer), value=coins * COIN)
    chain.numbers[account(signer)] = signer


def crowd(directory: Path, stakes: list[int]) -> DataChain:
    """A chain with a genesis holder for each of the stakes; holder n signs with account 1000 + n."""
    head, _ = chain_file().split("[[validators]]", 1)
    validators = [
        f'[[validators]]\naddress = "0x{account(1000 + n).hex()}"\nstake = {stake}\npubkey48 = "{pubkey48(1000 + n)}"'
        for n, stake in enumerate(stakes)
    ]
    chain = DataChain(directory, parse(data_file(head + "\n\n".join(validators)), "crowd"))
    chain.numbers = {account(1000 + n): 1000 + n for n in range(len(stakes))}
    return chain


@cache
def encoded(text: str) -> _core.Encoding:
    """A blob of a few kilobytes that begins with `text`."""
    return _core.Encoding(text.encode() + bytes(range(256)) * 20)


def randao(number: int) -> bytes:
    """prevRandao of a block."""
    return keccak(number.to_bytes(8, "big"))


def reach_last_block_but(chain: DataChain, blocks: int, epoch: int) -> None:
    """Empty blocks until `blocks` remain in `epoch`, as far as the blocks' numbers say."""
    chain.advance((epoch + 1) * EPOCH_BLOCKS - blocks - chain.number)
