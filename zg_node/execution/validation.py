"""What a header must say before its block is executed: pure functions of the parent, the rules and the clock.

parent, lineage, reveal, clock ─▶ plan ─▶ ConsensusHeader + Attributes + gas budget      (the proposer)
parent, lineage, block ─▶ check ─▶ InvalidBlock, or nothing                              (everyone else)

Whether a reveal is its proposer's is for the chain's `Beacon` to say; here it must be there, and be mixed in.
"""

from __future__ import annotations

from dataclasses import dataclass

from zg_node.errors import InvalidBlock
from zg_node.execution.beacon import mixed
from zg_node.execution.fees import FeeRules, next_state
from zg_node.types.block import BODY_MAX_BYTES, REVEAL_BYTES, Attributes, Block, ConsensusHeader, Header
from zg_node.types.hashing import ZERO_HASH

CLOCK_DRIFT_MAX_MS = 500
"""How far a proposer's clock may run ahead of ours."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A block's headers before execution, and what the block may use."""

    consensus: ConsensusHeader
    attributes: Attributes
    gas_budget: int


@dataclass(frozen=True, slots=True)
class Rules:
    """What is constant along a chain."""

    network: bytes
    fees: FeeRules


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a block says about epochs, as it follows from its parent and from the root shard."""

    epoch: int
    set_hash: bytes
    next_set_hash: bytes
    """The next epoch's set in the last block of an epoch, else `set_hash`."""
    root_number: int = 0
    """The newest final root header that the block imports; 0 on the root shard."""
    root_hash: bytes = ZERO_HASH


def plan(
    rules: Rules,
    lineage: Lineage,
    parent: Header,
    parent_consensus: ConsensusHeader,
    view: int,
    coinbase: bytes,
    reveal: bytes,
    now_ms: int,
) -> Plan:
    """The headers of a child of `parent` proposed in `view` at `now_ms`, with its proposer's `reveal`. Raises
    InvalidBlock when the reveal has no output."""
    timestamp_ms = max(now_ms, parent_consensus.timestamp_ms + 1)
    fee = next_state(rules.fees, parent, parent_consensus, timestamp_ms)
    consensus = ConsensusHeader(
        network=rules.network,
        epoch=lineage.epoch,
        view=view,
        timestamp_ms=timestamp_ms,
        set_hash=lineage.set_hash,
        next_set_hash=lineage.next_set_hash,
        fee_excess=fee.excess,
        gas_level=fee.level,
        root_number=lineage.root_number,
        root_hash=lineage.root_hash,
        reveal=reveal,
    )
    attributes = Attributes(
        number=parent.number + 1,
        timestamp=timestamp_ms // 1000,
        coinbase=coinbase,
        gas_limit=rules.fees.gas_limit,
        base_fee=fee.base_fee,
        prev_randao=mixed(parent.prev_randao, reveal),
        extra_data=consensus.hash(),
        parent_beacon_root=parent.extra_data,
    )
    return Plan(consensus, attributes, fee.gas_budget)


def check(
    rules: Rules, lineage: Lineage, parent: Header, parent_consensus: ConsensusHeader, block: Block, now_ms: int
) -> None:
    """Raise InvalidBlock unless `block`'s headers follow from its parent; roots and gas used are the engine's to
    check."""
    header, consensus = block.header, block.consensus
    if consensus.view <= parent_consensus.view:
        raise InvalidBlock("the view does not grow")
    if consensus.timestamp_ms <= parent_consensus.timestamp_ms:
        raise InvalidBlock("the timestamp does not grow")
    if consensus.timestamp_ms > now_ms + CLOCK_DRIFT_MAX_MS:
        raise InvalidBlock(f"the timestamp is {consensus.timestamp_ms - now_ms} ms ahead of our clock")
    if len(block.body) > BODY_MAX_BYTES:
        raise InvalidBlock(f"a body of {len(block.body)} bytes")
    if len(consensus.reveal) != REVEAL_BYTES:
        raise InvalidBlock("the proposer reveals nothing")
    view, timestamp_ms, reveal = consensus.view, consensus.timestamp_ms, consensus.reveal
    due = plan(rules, lineage, parent, parent_consensus, view, header.coinbase, reveal, timestamp_ms)
    if consensus != due.consensus:
        raise InvalidBlock("the consensus header does not follow from the parent")
    if header.attributes != due.attributes or header.parent_hash != parent.hash:
        raise InvalidBlock("the header does not follow from the parent")
    if header.gas_used > due.gas_budget:
        raise InvalidBlock(f"{header.gas_used} gas used, {due.gas_budget} allowed by the gas rate")
