"""Evidence reaches the staking contract once, from the node's account, and not when the contract would refuse it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from coincurve import PrivateKey

from tests.execution.epoch_chain import GENESIS, EpochChain
from zg_node import reporter
from zg_node.consensus.evidence import Evidence
from zg_node.consensus.messages import Domain, VoteKind
from zg_node.consensus.votes import Signer
from zg_node.errors import InvalidRequest, Unavailable
from zg_node.keys import address_of
from zg_node.rootaccount import Call, RootAccount

DOMAIN = Domain(GENESIS.network, GENESIS.chain_id(0), 0)
VOTE_KEY = GENESIS.development_vote_key or b""
STRANGER = bytes(31) + b"\7"
"""Signs what nobody can be slashed for."""
ANYONE = 255
"""The place that is accused last."""
LAST_VIEW = 0xABCDEF


class WatchedAccount(RootAccount):
    """Tells when evidence of LAST_VIEW has been dealt with."""

    def watch(self) -> asyncio.Event:
        self._last = asyncio.Event()
        return self._last

    async def submit(self, call: Call) -> bytes:
        try:
            return await super().submit(call)
        finally:
            if LAST_VIEW.to_bytes(32, "big") in call.data:
                self._last.set()


@dataclass
class Tribunal:
    """A chain that evidence is taken to, and what was sent there."""

    chain: EpochChain
    shared: list[str] = field(default_factory=list)

    def report(self, *evidence: Evidence, key: bytes | None = VOTE_KEY) -> None:
        """Hand all over in one turn of an event loop, and wait until everything has been dealt with."""

        async def story() -> None:
            account = WatchedAccount(self.chain.chain, key, ThreadPoolExecutor(1))
            desk, last = reporter.Reporter(account), account.watch()
            for one in (*evidence, double_vote(LAST_VIEW, STRANGER, ANYONE)):
                desk.report(one)
            running, waiting = asyncio.ensure_future(desk.run()), asyncio.ensure_future(last.wait())
            done, _ = await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
            assert done == {waiting}, "what fails does not end the reporter"
            running.cancel()
            await asyncio.wait({running})
            account.close()

        asyncio.run(story())


@pytest.fixture
def tribunal(tmp_path: Path) -> Iterator[Tribunal]:
    found = Tribunal(EpochChain(tmp_path))

    def share(raws: Sequence[bytes]) -> None:
        assert threading.current_thread() is threading.main_thread(), "gossip is the event loop's"
        found.shared += [raw.hex() for raw in raws]

    found.chain.chain.share = share
    yield found
    found.chain.chain.close()


def double_vote(view: int, secret: bytes = VOTE_KEY, index: int = 0) -> Evidence:
    signer = Signer(PrivateKey(secret), index)
    votes = [signer.vote(DOMAIN, VoteKind.NOTARIZE, view, bytes([salt]) * 32) for salt in (1, 2)]
    return Evidence.of(DOMAIN, *votes)


def test_evidence_becomes_a_transaction_that_slashes(tribunal: Tribunal, caplog: pytest.LogCaptureFixture) -> None:
    tribunal.report(double_vote(5))
    assert len(tribunal.shared) == 1
    block = tribunal.chain.include([])
    assert block.senders == address_of(VOTE_KEY)
    with caplog.at_level(logging.WARNING, "zg.node"):
        tribunal.report(double_vote(77))
    assert len(tribunal.shared) == 1
    assert "not sent: IsTombstoned()" in caplog.text


def test_a_validator_is_reported_once_however_often_it_contradicts_itself(
    tribunal: Tribunal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporter, "REPORTED_MAX", 3)
    tribunal.report(*map(double_vote, range(5, 20)), double_vote(5, index=1))
    assert len(tribunal.shared) == 2, "and does not keep others' evidence out"


def test_two_at_once_follow_one_another(tribunal: Tribunal) -> None:
    tribunal.report(double_vote(5), double_vote(6, index=1))
    assert len(set(tribunal.shared)) == 2
    assert len(tribunal.chain.include([]).senders) // 20 == 2, "each has a nonce of its own"


def test_what_the_contract_would_refuse_is_not_paid_for(tribunal: Tribunal, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "zg.node"):
        tribunal.report(double_vote(5, STRANGER))
    assert tribunal.shared == []
    assert caplog.text.count("not sent") == 2


@pytest.mark.parametrize(("key", "reason"), [(bytes(31) + b"\x63", "insufficient funds"), (None, "no key to pay with")])
def test_a_node_that_cannot_pay_says_so(
    tribunal: Tribunal,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    key: bytes | None,
    reason: str,
) -> None:
    monkeypatch.setattr(reporter, "PAUSES_S", ())
    with caplog.at_level(logging.WARNING, "zg.node"):
        tribunal.report(double_vote(5), key=key)
    assert tribunal.shared == []
    assert reason in caplog.text


def test_what_cannot_be_sent_now_is_sent_later(
    tribunal: Tribunal, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit, refusals = RootAccount.submit, iter((Unavailable("the pool is full"), InvalidRequest("no coins")))

    async def refuse_at_first(account: RootAccount, call: Call) -> bytes:
        for refusal in refusals:
            raise refusal
        return await submit(account, call)

    monkeypatch.setattr(reporter, "PAUSES_S", (0.0,) * 2)
    monkeypatch.setattr(RootAccount, "submit", refuse_at_first)
    with caplog.at_level(logging.WARNING, "zg.node"):
        tribunal.report(double_vote(5))
    assert len(tribunal.shared) == 1
    assert caplog.text.count("not sent, again") == 2
