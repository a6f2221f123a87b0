"""The root chain as data availability asks for it: a real contract on a real chain, with blocks made on demand."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from coincurve import PrivateKey

from tests.rpc.devchain import ALICE, GENESIS, KEYS, DevChain
from zg_node.contracts import da
from zg_node.da.certificate import Blob, Certificate
from zg_node.dataledger import ChainLedger
from zg_node.errors import InvalidRequest, Reverted, Unavailable
from zg_node.rootaccount import Call, RootAccount

SIGNER = PrivateKey(GENESIS.development_vote_key or b"")
BLOB = Blob(b"\x77" * 32, 100_000, 0, 0, 4)


class Ledgers:
    """A ledger over a chain, and the account that it sends from; on a running event loop."""

    def __init__(self, directory: Path, key: bytes | None = KEYS[ALICE]) -> None:
        self.dev = DevChain(directory)
        self.account = RootAccount(self.dev.chain, key, ThreadPoolExecutor(1))
        self.now_s = 0.0
        self.ledger = ChainLedger(self.dev.chain, GENESIS, self.account, lambda: self.now_s)

    def certificate(self, blob: Blob) -> Certificate:
        return Certificate(blob, ((0, SIGNER.sign_recoverable(blob.digest(GENESIS.network), hasher=None)),))


def run(test: Any, directory: Path, key: bytes | None = KEYS[ALICE]) -> None:
    async def main() -> None:
        ledgers = Ledgers(directory, key)
        try:
            await test(ledgers)
        finally:
            ledgers.account.close()
            ledgers.dev.chain.close()

    asyncio.run(main())


def test_a_blob_is_paid_then_certified_then_live(tmp_path: Path) -> None:
    async def test(at: Ledgers) -> None:
        ledger = at.ledger
        assert not await ledger.paid(BLOB)
        assert await ledger.certified(BLOB.commitment) is None
        _, before, _ = at.dev.chain.state.account(at.dev.chain.head.number, da.DATA_AVAILABILITY) or (0, 0, b"")
        await at.dev.mined(ledger.pay(BLOB))
        assert await ledger.paid(BLOB)
        assert await ledger.live(0, 10) == []
        _, after, _ = at.dev.chain.state.account(at.dev.chain.head.number, da.DATA_AVAILABILITY) or (0, 0, b"")
        assert after - before == await ledger.fee(BLOB) == (await ledger.rules()).fee(100_000, 5)
        await at.dev.mined(ledger.certify(at.certificate(BLOB)))
        found = await ledger.certified(BLOB.commitment)
        assert found is not None
        assert (found.blob, found.signers, found.block) == (BLOB, (0,), at.dev.chain.head.number)
        assert await ledger.live(0, 10) == [found]
        assert await ledger.live(1, 10) == []
        assert await ledger.paid(BLOB), "holders that sign late are still served"

    run(test, tmp_path)


def test_the_holders_of_genesis_and_the_beacon_are_those_of_the_contract(tmp_path: Path) -> None:
    async def test(at: Ledgers) -> None:
        assert at.ledger.epoch() == 0
        holders = await at.ledger.holders(0)
        assert [holder.signer for holder in holders.holders] == [GENESIS.validators[0][0]]
        assert await at.ledger.holders(1) == holders
        assert len(await at.ledger.beacon(0)) == 32
        for wait in (at.ledger.holders(2), at.ledger.beacon(1)):
            with pytest.raises(Unavailable):
                await wait

    run(test, tmp_path)


def test_what_the_contract_refuses_is_said_in_its_words(tmp_path: Path) -> None:
    async def test(at: Ledgers) -> None:
        later = Blob(BLOB.commitment, BLOB.length, 0, 1, 4)
        with pytest.raises(Reverted, match=r"WrongEpoch\(0\)"):
            await at.dev.mined(at.ledger.pay(later))
        with pytest.raises(Reverted, match="UnknownBlob"):
            await at.dev.mined(at.ledger.certify(at.certificate(BLOB)))
        await at.dev.mined(at.ledger.pay(BLOB))
        with pytest.raises(Reverted, match="NoQuorum"):
            await at.dev.mined(at.ledger.certify(Certificate(BLOB, ())))
        with pytest.raises(Reverted, match="AlreadyRequested"):
            await at.dev.mined(at.ledger.pay(BLOB))

    run(test, tmp_path)


def test_a_certificate_that_somebody_else_brought_is_no_failure(tmp_path: Path) -> None:
    async def test(at: Ledgers) -> None:
        await at.dev.mined(at.ledger.pay(BLOB))
        await at.dev.mined(at.ledger.certify(at.certificate(BLOB)))
        await at.dev.mined(at.ledger.certify(at.certificate(BLOB)))

    run(test, tmp_path)


def test_a_peer_id_is_told_once_and_seen_at_once(tmp_path: Path) -> None:
    async def test(at: Ledgers) -> None:
        info = da.decode_holder_info(
            await at.account.ask(da.DATA_AVAILABILITY, da.holder_info_call(GENESIS.validators[0][0]))
        )
        assert info.owner == ALICE
        await at.dev.mined(at.account.send(Call(da.DATA_AVAILABILITY, da.set_peer(info.signer, "12D3KooW"), 300_000)))
        at.now_s += 2.0
        assert (await at.ledger.holders(0)).holders[0].peer == "12D3KooW"

    run(test, tmp_path)


def test_a_node_without_a_key_reads_and_does_not_pay(tmp_path: Path) -> None:
    async def test(at: Ledgers) -> None:
        assert not await at.ledger.paid(BLOB)
        with pytest.raises((InvalidRequest, Unavailable), match="no key to pay with"):
            await at.ledger.pay(BLOB)

    run(test, tmp_path, None)
