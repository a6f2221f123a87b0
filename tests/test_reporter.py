"""Evidence reaches the staking contract once, from the worker, and not when the contract would refuse it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from coincurve import PrivateKey

from tests.execution.epoch_chain import ACCOUNTS, GENESIS, EpochChain
from zg_node.consensus.evidence import Evidence
from zg_node.consensus.messages import Domain, VoteKind
from zg_node.consensus.votes import Signer
from zg_node.epochs import Voter
from zg_node.reporter import Reporter

DOMAIN = Domain(GENESIS.network, GENESIS.chain_id(0), 0)
REPORTER = Voter.of(ACCOUNTS[0][1])


@dataclass
class Tribunal:
    """A chain, a worker that reports go through, and what came of them."""

    chain: EpochChain
    worker: Executor
    shared: list[str] = field(default_factory=list)
    threads: list[str] = field(default_factory=list)

    def report(self, *evidence: Evidence) -> None:
        """Hand all over in one turn of an event loop, and wait until the worker has nothing left."""

        async def story() -> None:
            reporter = Reporter(self.chain.chain, REPORTER, self.worker)
            for one in evidence:
                reporter.report(one)
            await asyncio.get_running_loop().run_in_executor(self.worker, int)
            await asyncio.sleep(0)

        asyncio.run(story())


@pytest.fixture
def tribunal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tribunal]:
    epoch_chain = EpochChain(tmp_path)
    chain = epoch_chain.chain
    with ThreadPoolExecutor(1, thread_name_prefix="worker") as worker:
        found = Tribunal(epoch_chain, worker)

        class Watched:
            """The engine, noting who calls."""

            def call(self, *arguments: Any) -> Any:
                found.threads.append(threading.current_thread().name)
                return engine.call(*arguments)

        def share(raws: Sequence[bytes]) -> None:
            assert threading.current_thread() is threading.main_thread(), "gossip is the event loop's"
            found.shared += [raw.hex() for raw in raws]

        engine = chain.engine
        monkeypatch.setattr(chain, "engine", Watched())
        chain.share = share
        yield found
    monkeypatch.setattr(chain, "engine", engine)
    chain.close()


def double_vote(view: int, secret: bytes | None = GENESIS.development_vote_key) -> Evidence:
    assert secret is not None
    signer = Signer(PrivateKey(secret), 0)
    votes = [signer.vote(DOMAIN, VoteKind.NOTARIZE, view, bytes([salt]) * 32) for salt in (1, 2)]
    return Evidence.of(DOMAIN, *votes)


def slashed(tribunal: Tribunal) -> bool:
    """Whether the contract refuses to hear of the offender again."""
    tribunal.threads.clear()
    before = len(tribunal.shared)
    tribunal.report(double_vote(77))
    return len(tribunal.shared) == before


def test_evidence_becomes_a_transaction_that_slashes(tribunal: Tribunal) -> None:
    tribunal.report(double_vote(5))
    assert len(tribunal.shared) == 1
    block = tribunal.chain.include([])
    assert len(block.senders) // 20 == 1
    assert block.senders == REPORTER.address
    assert slashed(tribunal)


def test_the_contract_is_asked_in_the_worker(tribunal: Tribunal) -> None:
    tribunal.report(double_vote(5))
    assert tribunal.threads == ["worker_0"]


def test_the_same_evidence_is_reported_once(tribunal: Tribunal) -> None:
    tribunal.report(double_vote(5), double_vote(5))
    assert len(tribunal.shared) == 1


def test_two_at_once_follow_one_another(tribunal: Tribunal) -> None:
    tribunal.report(double_vote(5), double_vote(6))
    assert len(set(tribunal.shared)) == 2
    assert len(tribunal.chain.include([]).senders) // 20 == 2, "each has a nonce of its own"


def test_what_the_contract_would_refuse_is_not_paid_for(tribunal: Tribunal, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "zg.node"):
        tribunal.report(double_vote(5, secret=bytes(31) + b"\7"))
    assert tribunal.shared == []
    assert "not sent" in caplog.text


def test_a_node_that_cannot_pay_says_so(tribunal: Tribunal, caplog: pytest.LogCaptureFixture) -> None:
    poor = Voter.of(bytes(31) + b"\x63")

    async def story() -> None:
        Reporter(tribunal.chain.chain, poor, tribunal.worker).report(double_vote(5))
        await asyncio.get_running_loop().run_in_executor(tribunal.worker, int)
        await asyncio.sleep(0)

    with caplog.at_level(logging.WARNING, "zg.node"):
        asyncio.run(story())
    assert tribunal.shared == []
    assert "insufficient funds" in caplog.text
