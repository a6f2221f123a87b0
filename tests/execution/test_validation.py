"""Headers before execution: what a proposer plans passes, each wrong field is refused, and time may change that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from tests.beacon import unclaimed_reveal
from zg_node import _core
from zg_node.errors import InvalidBlock
from zg_node.execution.beacon import mixed
from zg_node.execution.fees import FeeRules
from zg_node.execution.genesis import packaged, parse
from zg_node.execution.validation import CLOCK_DRIFT_MAX_MS, Lineage, Plan, Rules, check, plan
from zg_node.types.block import BODY_MAX_BYTES, REVEAL_BYTES, Block, ConsensusHeader, Header
from zg_node.types.hashing import ZERO_HASH

GENESIS = parse(packaged("devnet"), "devnet")
SET_HASH = b"\3" * 32
RULES = Rules(GENESIS.network, GENESIS.fees)
LINEAGE = Lineage(0, SET_HASH, SET_HASH)
CONSENSUS, ATTRIBUTES = GENESIS.block_zero(0, SET_HASH)
PARENT = Header.decode(_core.draft_header(ZERO_HASH, ATTRIBUTES))
NOW_MS = CONSENSUS.timestamp_ms + 5_000
COINBASE = b"\4" * 20
VIEW = 7
REVEAL, OTHER = unclaimed_reveal(1), unclaimed_reveal(2)
FIELDS = {
    "parent_hash": 0, "number": 8, "gas_limit": 9, "gas_used": 10, "timestamp": 11, "extra_data": 12,
    "prev_randao": 13, "base_fee": 15, "parent_beacon_root": 19,
}  # fmt: skip
"""Where a header has what."""


def planned(now_ms: int = NOW_MS, parent: Header = PARENT, consensus: ConsensusHeader = CONSENSUS) -> Plan:
    return plan(RULES, LINEAGE, parent, consensus, VIEW, COINBASE, REVEAL, now_ms)


def block_of(due: Plan, parent: Header = PARENT, fields: Mapping[str, object] = MappingProxyType({})) -> Block:
    """An empty block with these headers; `fields` replaces items of the EVM header by name."""
    items = rlp.decode(_core.draft_header(parent.hash, due.attributes))
    for name, value in fields.items():
        items[FIELDS[name]] = value
    return Block(Header.decode(rlp.encode(items)), due.consensus, b"\xc0")


def verdict(block: Block, now_ms: int = NOW_MS, parent: Header = PARENT, consensus: ConsensusHeader = CONSENSUS) -> str:
    """What is wrong with the block; empty when nothing is."""
    try:
        check(RULES, LINEAGE, parent, consensus, block, now_ms)
    except InvalidBlock as error:
        return str(error)
    return ""


# ── valid ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(0, 10**12), st.integers(0, 500_000_000), st.integers(0, 10**12), st.integers(0, 10**10))
def test_what_is_planned_passes(elapsed_ms: int, gas_used: int, excess: int, level: int) -> None:
    parent = replace(PARENT, gas_used=gas_used)
    consensus = replace(CONSENSUS, fee_excess=excess, gas_level=level)
    now_ms = consensus.timestamp_ms + elapsed_ms
    due = planned(now_ms, parent, consensus)
    assert verdict(block_of(due, parent), now_ms, parent, consensus) == ""


def test_a_plan_follows_from_its_parent() -> None:
    due = planned()
    assert due.consensus == ConsensusHeader(GENESIS.network, 0, VIEW, NOW_MS, SET_HASH, SET_HASH, 0, 0, reveal=REVEAL)
    attributes = due.attributes
    assert (attributes.number, attributes.timestamp, attributes.coinbase) == (1, NOW_MS // 1000, COINBASE)
    assert (attributes.gas_limit, attributes.base_fee) == (500_000_000, 10**9)
    assert attributes.extra_data == due.consensus.hash()
    assert attributes.parent_beacon_root == PARENT.extra_data
    assert attributes.prev_randao == mixed(PARENT.prev_randao, REVEAL)
    assert due.gas_budget == 500_000_000


@pytest.mark.parametrize("now_ms", [0, CONSENSUS.timestamp_ms - 1, CONSENSUS.timestamp_ms])
def test_time_grows_even_when_the_clock_does_not(now_ms: int) -> None:
    assert planned(now_ms).consensus.timestamp_ms == CONSENSUS.timestamp_ms + 1


def test_seconds_may_repeat() -> None:
    start_ms = CONSENSUS.timestamp_ms
    first = planned(start_ms + 1)
    second = planned(start_ms + 2)
    assert first.attributes.timestamp == second.attributes.timestamp == PARENT.timestamp
    assert verdict(block_of(second)) == ""


# ── invalid, field by field ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("parent_hash", b"\1" * 32),
        ("number", 2),
        ("number", 0),
        ("gas_limit", 500_000_001),
        ("gas_limit", 499_999_999),
        ("timestamp", NOW_MS // 1000 + 1),
        ("timestamp", NOW_MS // 1000 - 1),
        ("extra_data", bytes(32)),
        ("extra_data", b""),
        ("prev_randao", b"\1" * 32),
        ("base_fee", 10**9 + 1),
        ("base_fee", 10**9 - 1),
        ("parent_beacon_root", b"\1" * 32),
    ],
)
def test_a_header_field_that_does_not_follow_is_refused(field: str, value: object) -> None:
    assert verdict(block_of(planned(), fields={field: value})) == "the header does not follow from the parent"


@pytest.mark.parametrize(
    "change",
    [
        {"network": b"\1" * 32},
        {"epoch": 1},
        {"set_hash": b"\1" * 32},
        {"next_set_hash": b"\1" * 32},
        {"fee_excess": 1},
        {"gas_level": 1},
    ],
    ids=str,
)
def test_a_consensus_field_that_does_not_follow_is_refused(change: dict[str, Any]) -> None:
    due = planned()
    consensus = replace(due.consensus, **change)
    wrong = Plan(consensus, replace(due.attributes, extra_data=consensus.hash()), due.gas_budget)
    assert verdict(block_of(wrong)) == "the consensus header does not follow from the parent"


@pytest.mark.parametrize("back_ms", [0, 1, 10**6])
def test_time_that_does_not_grow_is_refused(back_ms: int) -> None:
    due = planned()
    consensus = replace(due.consensus, timestamp_ms=CONSENSUS.timestamp_ms - back_ms)
    assert verdict(block_of(replace(due, consensus=consensus))) == "the timestamp does not grow"


def test_a_block_that_reveals_nothing_is_refused() -> None:
    due = plan(RULES, LINEAGE, PARENT, CONSENSUS, VIEW, COINBASE, b"", NOW_MS)
    assert verdict(block_of(due)) == "the proposer reveals nothing"


def test_a_reveal_that_is_not_mixed_in_is_refused() -> None:
    other = plan(RULES, LINEAGE, PARENT, CONSENSUS, VIEW, COINBASE, OTHER, NOW_MS)
    mix = other.attributes.prev_randao
    assert verdict(block_of(planned(), fields={"prev_randao": mix})) == "the header does not follow from the parent"


def test_a_reveal_without_an_output_is_refused() -> None:
    due = planned()
    consensus = replace(due.consensus, reveal=bytes(REVEAL_BYTES))
    wrong = replace(due, consensus=consensus, attributes=replace(due.attributes, extra_data=consensus.hash()))
    assert verdict(block_of(wrong)) == "what the proposer reveals is no proof"


def test_nothing_but_the_reveal_moves_the_mix() -> None:
    mixes = {
        plan(RULES, replace(LINEAGE, epoch=2), parent, CONSENSUS, view, coinbase, REVEAL, now_ms).attributes.prev_randao
        for parent in (PARENT, replace(PARENT, hash=b"\1" * 32, gas_used=7))
        for view, coinbase, now_ms in ((VIEW, COINBASE, NOW_MS), (VIEW + 1, bytes(20), NOW_MS + 9))
    }
    assert len(mixes) == 1


def test_gas_above_the_rate_is_refused() -> None:
    parent = replace(PARENT, gas_used=500_000_000)
    now_ms = CONSENSUS.timestamp_ms + 10
    due = planned(now_ms, parent)
    assert due.gas_budget == 10_000_000
    assert verdict(block_of(due, parent, {"gas_used": 10_000_000}), now_ms, parent) == ""
    assert "allowed by the gas rate" in verdict(block_of(due, parent, {"gas_used": 10_000_001}), now_ms, parent)


def test_a_body_that_is_too_large_is_refused() -> None:
    block = replace(block_of(planned()), body=bytes(BODY_MAX_BYTES + 1))
    assert verdict(block) == f"a body of {BODY_MAX_BYTES + 1} bytes"


# ── invalid becoming valid, valid becoming invalid ──────────────────────────────────────────────────────────────────


def test_a_block_from_the_future_becomes_valid_when_its_time_comes() -> None:
    block = block_of(planned(NOW_MS))
    early_ms = NOW_MS - CLOCK_DRIFT_MAX_MS
    assert verdict(block, early_ms - 1) == "the timestamp is 501 ms ahead of our clock"
    assert verdict(block, early_ms) == ""
    assert verdict(block, NOW_MS + 10**9) == ""


def test_a_block_becomes_invalid_on_another_parent() -> None:
    block = block_of(planned())
    assert verdict(block) == ""
    other = replace(PARENT, hash=b"\1" * 32)
    assert verdict(block, parent=other) == "the header does not follow from the parent"
    busy = replace(PARENT, gas_used=1)
    assert verdict(block, parent=busy, consensus=replace(CONSENSUS, fee_excess=10**12)) != ""


def test_rules_of_another_chain_refuse_the_block() -> None:
    block = block_of(planned())
    for rules in (
        replace(RULES, network=ZERO_HASH),
        replace(RULES, fees=FeeRules(30_000_000, 10**9, 10**9, 125)),
        replace(RULES, fees=replace(RULES.fees, base_fee_floor=2 * 10**9)),
    ):
        with pytest.raises(InvalidBlock):
            check(rules, LINEAGE, PARENT, CONSENSUS, block, NOW_MS)


@pytest.mark.parametrize(
    "lineage",
    [
        replace(LINEAGE, epoch=1),
        replace(LINEAGE, set_hash=ZERO_HASH),
        replace(LINEAGE, next_set_hash=ZERO_HASH),
        replace(LINEAGE, root_number=1),
        replace(LINEAGE, root_hash=b"\1" * 32),
    ],
)
def test_another_lineage_refuses_the_block(lineage: Lineage) -> None:
    with pytest.raises(InvalidBlock):
        check(RULES, lineage, PARENT, CONSENSUS, block_of(planned()), NOW_MS)


def test_a_view_that_does_not_grow_is_refused() -> None:
    consensus = replace(CONSENSUS, view=VIEW)
    assert verdict(block_of(planned(consensus=consensus)), consensus=consensus) == "the view does not grow"
