"""Takes evidence to the staking contract: a transaction of this validator's own account on the root shard.

    ShardConsensus of each shard ─ Evidence ─▶ report ─▶ run: RootAccount.submit ─▶ the contract slashes

Whoever sees a contradiction reports it; the contract slashes once, and the account's call beforehand keeps us from
paying for what others have reported already. What the pool or the chain does not take for now is sent again later.

One contradiction of a validator in an epoch is enough. Who is lost anyway could make any number of them, and so keep
another's from being heard.
"""

from __future__ import annotations

import asyncio
import logging

from zg_node.consensus.evidence import Evidence, Half, Seal
from zg_node.contracts import staking
from zg_node.errors import Reverted, ZgError
from zg_node.rootaccount import Call, RootAccount

log = logging.getLogger("zg.node")

REPORT_GAS = 1_000_000
REPORTED_MAX = 4096
"""Offenders that are remembered; at that many, no more evidence is taken to the chain until a restart."""
PAUSES_S = (1.0, 10.0, 60.0, 300.0, 300.0, 300.0)
"""Before each further attempt."""


class Reporter:
    """One a node; on the event loop."""

    def __init__(self, account: RootAccount) -> None:
        self._account = account
        self._reported: set[tuple[int, int]] = set()
        """(epoch, offender): an epoch has the same validators in every shard."""
        self._found: asyncio.Queue[Evidence] = asyncio.Queue(REPORTED_MAX)

    def report(self, evidence: Evidence) -> None:
        """Have `run` see to it that the offender is slashed, if it has not been."""
        accused = evidence.epoch, evidence.offender
        if accused in self._reported or len(self._reported) >= REPORTED_MAX:
            return
        self._reported.add(accused)
        self._found.put_nowait(evidence)

    async def run(self) -> None:
        """Take what is reported to the chain, one after the other, until cancelled. What fails is logged."""
        while True:
            await self._accuse(await self._found.get())

    async def _accuse(self, evidence: Evidence) -> None:
        call = Call(staking.STAKING, _accusation(evidence), REPORT_GAS)
        case = f"evidence against validator={evidence.offender} of epoch={evidence.epoch}"
        for pause_s in (*PAUSES_S, None):
            try:
                await self._account.submit(call)
            except ZgError as error:
                if isinstance(error, Reverted) or pause_s is None:
                    log.warning("%s not sent: %s", case, error)
                    return
                log.warning("%s not sent, again in %.0f s: %s", case, pause_s, error)
                await asyncio.sleep(pause_s)
            else:
                log.warning("%s is on its way", case)
                return


def _accusation(evidence: Evidence) -> bytes:
    first, second = _statement(evidence.first), _statement(evidence.second)
    return staking.submit_evidence(evidence.chain_id, evidence.epoch, evidence.view, first, second)


def _statement(half: Half) -> staking.Statement:
    if isinstance(half, Seal):
        return staking.Statement(staking.PROPOSAL, half.parent_view, half.block_hash, half.signature)
    return staking.Statement(int(half.kind), 0, half.block_hash, half.signature)
