"""Takes evidence to the staking contract: a transaction of this validator's own account on the root shard.

    ShardConsensus of each shard ─ Evidence ─▶ report ─▶ run: RootAccount.submit ─▶ the contract slashes

Whoever sees a contradiction reports it; the contract slashes once, and the account's call beforehand keeps us from
paying for what others have reported already.
"""

from __future__ import annotations

import asyncio
import logging

from zg_node.consensus.evidence import Evidence, Half, Seal
from zg_node.contracts import staking
from zg_node.errors import ZgError
from zg_node.rootaccount import Call, RootAccount

log = logging.getLogger("zg.node")

REPORT_GAS = 1_000_000
REPORTED_MAX = 4096
"""Ids that are remembered; at that many, no more evidence is taken to the chain until a restart."""


class Reporter:
    """One a node; on the event loop."""

    def __init__(self, account: RootAccount) -> None:
        self._account = account
        self._reported: set[bytes] = set()
        self._found: asyncio.Queue[Evidence] = asyncio.Queue(REPORTED_MAX)

    def report(self, evidence: Evidence) -> None:
        """Have `run` see to it that the offender is slashed, if it has not been."""
        if evidence.id in self._reported or len(self._reported) >= REPORTED_MAX:
            return
        self._reported.add(evidence.id)
        self._found.put_nowait(evidence)

    async def run(self) -> None:
        """Take what is reported to the chain, one after the other, until cancelled. What fails is logged."""
        while True:
            evidence = await self._found.get()
            offender, epoch = evidence.offender, evidence.epoch
            try:
                await self._account.submit(Call(staking.STAKING, _accusation(evidence), REPORT_GAS))
            except ZgError as error:
                log.warning("evidence against validator=%d of epoch=%d not sent: %s", offender, epoch, error)
            else:
                log.warning("evidence against validator=%d of epoch=%d is on its way", offender, epoch)


def _accusation(evidence: Evidence) -> bytes:
    first, second = _statement(evidence.first), _statement(evidence.second)
    return staking.submit_evidence(evidence.chain_id, evidence.epoch, evidence.view, first, second)


def _statement(half: Half) -> staking.Statement:
    if isinstance(half, Seal):
        return staking.Statement(staking.PROPOSAL, half.parent_view, half.block_hash, half.signature)
    return staking.Statement(int(half.kind), 0, half.block_hash, half.signature)
