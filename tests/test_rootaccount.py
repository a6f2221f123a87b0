"""The node's account on the root shard: a real chain, with blocks made on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.rpc.devchain import ALICE, GENESIS, KEYS, DevChain
from zg_node import rootaccount
from zg_node.contracts import da, staking
from zg_node.da.certificate import Blob
from zg_node.epochs import Voter
from zg_node.errors import InvalidRequest, Reverted, Unavailable
from zg_node.rootaccount import Call, RootAccount
from zg_node.types.hashing import keccak

VOTER = Voter.of(GENESIS.development_vote_key or b"")
GUEST = Voter.of(bytes(31) + b"\x63")
GIFT = Call(b"\x77" * 20, b"", 21_000, 1)

Test = Callable[[DevChain, RootAccount], Awaitable[None]]


def run(test: Test, directory: Path, key: bytes | None = KEYS[ALICE]) -> None:
    async def main() -> None:
        dev = DevChain(directory)
        account = RootAccount(dev.chain, key, ThreadPoolExecutor(1))
        try:
            await test(dev, account)
        finally:
            account.close()
            dev.chain.close()

    asyncio.run(main())


def test_calls_that_come_together_have_nonces_that_follow_one_another(tmp_path: Path) -> None:
    async def test(dev: DevChain, account: RootAccount) -> None:
        shared: list[bytes] = []
        dev.chain.share = shared.extend
        hashes = await asyncio.gather(*(account.submit(replace(GIFT, value=1 + n)) for n in range(20)))
        assert [keccak(raw) for raw in shared] == hashes, "all are gossiped"
        assert len(set(hashes)) == 20
        assert len(dev.mine().senders) // 20 == 20

    run(test, tmp_path)


def test_what_is_sent_is_final_when_it_returns(tmp_path: Path) -> None:
    async def test(dev: DevChain, account: RootAccount) -> None:
        assert dev.chain.head.number == 0
        await dev.mined(account.send(GIFT))
        assert dev.chain.head.number == 1
        assert dev.chain.state.account(1, GIFT.to) == (0, 1, keccak(b""))

    run(test, tmp_path)


def test_what_would_revert_is_not_sent_and_is_explained_in_its_contracts_words(tmp_path: Path) -> None:
    async def test(dev: DevChain, account: RootAccount) -> None:
        shared: list[bytes] = []
        dev.chain.share = shared.extend
        nobody = staking.function("undelegate").encode(b"\x77" * 20, 1)
        for to, data, words in (
            (staking.STAKING, staking.function("unjail").encode(b"\x77" * 20), "UnknownValidator"),
            (da.DATA_AVAILABILITY, da.refund(bytes(32)), "UnknownBlob"),
            (da.DATA_VERIFIER, nobody, "execution reverted"),
        ):
            with pytest.raises(Reverted, match=words):
                await account.submit(Call(to, data, 300_000))
        assert shared == []

    run(test, tmp_path)


def test_what_reverts_in_its_block_after_all_is_said(tmp_path: Path) -> None:
    async def test(dev: DevChain, account: RootAccount) -> None:
        rules = da.decode_config(await account.ask(da.DATA_AVAILABILITY, da.function("config").encode()))
        request = Call(da.DATA_AVAILABILITY, da.request(Blob(bytes(32), 1, 0, 0, 0)), 500_000, rules.fee(1, 1))
        shared: list[bytes] = []
        both = asyncio.Event()

        def share(raws: Sequence[bytes]) -> None:
            shared.extend(raws)
            if len(shared) == 2:
                both.set()

        dev.chain.share = share
        first, second = (asyncio.ensure_future(account.send(request)) for _ in range(2))
        await both.wait()
        dev.mine()
        await first
        with pytest.raises(Reverted, match="has reverted"):
            await second

    run(test, tmp_path)


def test_what_does_not_become_final_in_time_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rootaccount, "FINAL_TIMEOUT_S", 0.01)

    async def test(dev: DevChain, account: RootAccount) -> None:
        with pytest.raises(Unavailable, match="not final"):
            await account.send(GIFT)

    run(test, tmp_path)


@pytest.mark.parametrize(
    ("key", "reason"), [(None, "no key to pay with"), (GUEST.key.secret, "insufficient funds")], ids=["none", "poor"]
)
def test_who_cannot_pay_is_told_so_and_may_ask(tmp_path: Path, key: bytes | None, reason: str) -> None:
    async def test(dev: DevChain, account: RootAccount) -> None:
        with pytest.raises(InvalidRequest, match=reason):
            await account.send(replace(GIFT, value=0))
        answer = await account.ask(da.DATA_AVAILABILITY, da.function("config").encode())
        assert da.decode_config(answer).network == GENESIS.network

    run(test, tmp_path, key)
