"""Takes evidence to the staking contract: a transaction on the root shard from this validator's own account.

    ShardConsensus ─ Evidence ─▶ report ─▶ worker: would the contract take it? ─▶ sign, root mempool ─▶ loop: gossip

Whoever sees a contradiction reports it; the contract slashes once, and a call beforehand keeps us from paying for what
others have reported already. The call executes code, so it runs in the root shard's worker, not on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Executor
from functools import partial

import orjson

from zg_node import _core
from zg_node.consensus.evidence import Evidence, Half, Seal
from zg_node.contracts import staking
from zg_node.epochs import Voter
from zg_node.errors import ZgError
from zg_node.execution.service import Chain

log = logging.getLogger("zg.node")

REPORT_GAS = 1_000_000
CALL_TIMEOUT_MS = 2_000
REPORTED_MAX = 4096
"""Ids that are remembered; at that many, no more evidence is taken to the chain until a restart."""


class Reporter:
    """One a node; on the event loop."""

    def __init__(self, root: Chain, voter: Voter, worker: Executor) -> None:
        """`worker` is the root shard's."""
        self._root = root
        self._voter = voter
        self._worker = worker
        self._reported: set[bytes] = set()

    def report(self, evidence: Evidence) -> None:
        """Have the offender slashed, if it has not been. What fails is logged, later."""
        if evidence.id in self._reported or len(self._reported) >= REPORTED_MAX:
            return
        self._reported.add(evidence.id)
        attempt = asyncio.get_running_loop().run_in_executor(self._worker, self._attempt, evidence)
        attempt.add_done_callback(partial(self._attempted, evidence))

    def _attempt(self, evidence: Evidence) -> bytes | str:
        """The raw transaction that the root mempool took, or why there is none; in the worker."""
        data = staking.submit_evidence(
            evidence.chain_id,
            evidence.epoch,
            evidence.view,
            _statement(evidence.first),
            _statement(evidence.second),
        )
        try:
            return self._refusal(data) or self._send(data)
        except ZgError as error:
            return str(error)

    def _attempted(self, evidence: Evidence, attempt: asyncio.Future[bytes | str]) -> None:
        """Say what came of it; on the event loop."""
        if attempt.cancelled():
            return
        outcome, offender, epoch = attempt.result(), evidence.offender, evidence.epoch
        if isinstance(outcome, str):
            log.warning("evidence against validator=%d of epoch=%d not sent: %s", offender, epoch, outcome)
            return
        self._root.accepted(["0x" + outcome.hex()])
        log.warning("evidence against validator=%d of epoch=%d is on its way", offender, epoch)

    def _refusal(self, data: bytes) -> str | None:
        """What the contract has against it now."""
        transaction = self._transaction(data)
        request = _core.CallRequest(orjson.dumps(transaction), None, REPORT_GAS, CALL_TIMEOUT_MS)
        head = self._root.head
        (answer,) = self._root.engine.call(self._root.state, head.hash, head.header.raw, [request])
        if isinstance(answer, bytes):
            return None
        return staking.explain(answer.data or b"") or answer.message

    def _send(self, data: bytes) -> bytes | str:
        """The transaction, as the mempool took it, or why it did not."""
        root = self._root
        head, base_fee = root.head, root.next_base_fee()
        transaction = self._transaction(data) | {
            "type": "0x2",
            "chainId": hex(root.chain_id),
            "nonce": hex(root.pool.nonce(root.state, head.hash, self._voter.address)),
            "maxFeePerGas": hex(2 * base_fee),
            "maxPriorityFeePerGas": "0x0",
            "value": "0x0",
        }
        raw = _core.sign_transaction_json(orjson.dumps(transaction), self._voter.key.secret)
        (outcome,) = root.pool.add(root.state, head.hash, base_fee, head.header.gas_limit, [raw], root.now_ms())
        return raw if isinstance(outcome, bytes) else outcome[1]

    def _transaction(self, data: bytes) -> dict[str, str]:
        return {
            "from": "0x" + self._voter.address.hex(),
            "to": "0x" + staking.STAKING.hex(),
            "gas": hex(REPORT_GAS),
            "input": "0x" + data.hex(),
        }


def _statement(half: Half) -> staking.Statement:
    if isinstance(half, Seal):
        return staking.Statement(staking.PROPOSAL, half.parent_view, half.block_hash, half.signature)
    return staking.Statement(int(half.kind), 0, half.block_hash, half.signature)
