"""The base fee and the gas-rate bucket as functions of gas and time."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction
from math import exp, isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.consensus.blocks import make_block
from zg_node.execution.fees import (
    BASE_FEE_MAX,
    EXPONENT_MAX,
    LOGARITHM_BITS,
    FeeRules,
    FeeState,
    base_fee,
    exponential,
    logarithm,
    next_state,
)

RULES = FeeRules(gas_limit=500_000_000, gas_rate=1_000_000_000, base_fee_floor=10**9, max_change_per_mille=125)
BLOCK = make_block(bytes(32), 1, 1, 0)

rules = st.builds(
    FeeRules,
    st.integers(30_000_000, 10_000_000_000),
    st.integers(1_000_000, 10**11),
    st.integers(1, 10**12),
    st.integers(1, 1000),
)
excesses = st.integers(0, 10**15)
gas = st.integers(0, 10**10)
intervals_ms = st.integers(0, 10**7)


def after(rules: FeeRules, excess: int, level: int, gas_used: int, elapsed_ms: int) -> FeeState:
    """The state of a child `elapsed_ms` after a block that used `gas_used` and began with `excess` and `level`."""
    header = replace(BLOCK.header, gas_used=gas_used)
    consensus = replace(BLOCK.consensus, fee_excess=excess, gas_level=level)
    return next_state(rules, header, consensus, consensus.timestamp_ms + elapsed_ms)


# ── the exponential ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("factor", "numerator", "denominator", "expected"),
    [(1, 0, 1, 1), (38_493, 0, 1_000, 38_493), (1, 2, 1, 6), (1, 3, 1, 16), (10, 8, 2, 542), (1, 5, 1, 136)],
)
def test_the_exponential_is_eip_4844s(factor: int, numerator: int, denominator: int, expected: int) -> None:
    assert exponential(factor, numerator, denominator) == expected


@given(st.integers(10**9, 10**12), st.integers(0, 10**10), st.integers(10**8, 10**10))
def test_the_exponential_is_the_exponential(factor: int, numerator: int, denominator: int) -> None:
    assert isclose(
        exponential(factor, numerator, denominator), factor * exp(Fraction(numerator, denominator)), rel_tol=1e-6
    )


def test_the_divisor_of_the_development_network_is_pinned() -> None:
    assert RULES.divisor == 4245093507


@pytest.mark.parametrize("gas_rate", [1_000_000, 999_999_937, 10**11])
def test_the_divisor_is_exact(gas_rate: int) -> None:
    with localcontext(prec=60):
        for per_mille in range(1, 1001):
            due = Decimal(gas_rate) / 2 / (1 + Decimal(per_mille) / 1000).ln()
            assert replace(RULES, gas_rate=gas_rate, max_change_per_mille=per_mille).divisor == int(due)


def test_the_logarithm_is_low_by_less_than_it_says() -> None:
    with localcontext(prec=60):
        for per_mille in range(1, 1001):
            missing = (1 + Decimal(per_mille) / 1000).ln() * 2**LOGARITHM_BITS - logarithm(per_mille)
            assert 0 <= missing < 2**10


# ── the base fee ────────────────────────────────────────────────────────────────────────────────────────────────────


@given(rules, excesses)
def test_the_base_fee_stays_within_its_bounds(rules: FeeRules, excess: int) -> None:
    assert rules.base_fee_floor <= base_fee(rules, excess) <= BASE_FEE_MAX


@given(rules)
def test_the_base_fee_ends_at_its_bound(rules: FeeRules) -> None:
    assert base_fee(rules, EXPONENT_MAX * rules.divisor) == base_fee(rules, 2**63) == BASE_FEE_MAX


@given(rules, excesses, excesses)
def test_more_excess_never_makes_gas_cheaper(rules: FeeRules, one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert base_fee(rules, low) <= base_fee(rules, high)


@given(rules, excesses, intervals_ms)
def test_the_base_fee_fits_a_header(rules: FeeRules, excess: int, elapsed_ms: int) -> None:
    assert after(rules, excess, 0, rules.gas_limit, elapsed_ms).base_fee < 2**63


@given(rules)
def test_the_base_fee_at_rest_is_the_floor(rules: FeeRules) -> None:
    assert base_fee(rules, 0) == rules.base_fee_floor


@pytest.mark.parametrize("blocks_per_s", [1, 2, 10, 100])
def test_a_second_of_full_load_raises_the_fee_by_an_eighth_at_any_pace(blocks_per_s: int) -> None:
    state = after(RULES, 0, 0, 0, 0)
    for _ in range(10 * blocks_per_s):
        state = after(RULES, state.excess, state.level, RULES.gas_rate // blocks_per_s, 1000 // blocks_per_s)
    assert isclose(state.base_fee, 10**9 * 1.125**10, rel_tol=1e-3)


@pytest.mark.parametrize("blocks_per_s", [1, 100])
def test_load_at_the_target_leaves_the_fee_alone(blocks_per_s: int) -> None:
    excess = 3 * RULES.gas_rate
    state = after(RULES, excess, 0, 0, 0)
    steady = state.base_fee
    for _ in range(100):
        state = after(RULES, state.excess, state.level, RULES.gas_rate // 2 // blocks_per_s, 1000 // blocks_per_s)
    assert state.base_fee == steady


def test_an_idle_second_lowers_the_fee_by_a_ninth() -> None:
    busy = after(RULES, 5 * RULES.gas_rate, 0, 0, 0)
    idle = after(RULES, busy.excess, busy.level, 0, 1000)
    assert isclose(idle.base_fee * 1.125, busy.base_fee, rel_tol=1e-6)


# ── time and gas ────────────────────────────────────────────────────────────────────────────────────────────────────


@given(rules, excesses, excesses, gas, intervals_ms)
def test_every_number_is_in_range(rules: FeeRules, excess: int, level: int, used: int, elapsed_ms: int) -> None:
    state = after(rules, excess, level, used, elapsed_ms)
    assert 0 <= state.excess <= excess + used
    assert 0 <= state.level <= level + used
    assert 0 <= state.gas_budget <= rules.gas_limit


@given(rules, excesses, excesses, gas, intervals_ms, intervals_ms)
def test_waiting_longer_never_costs_more(
    rules: FeeRules, excess: int, level: int, used: int, one_ms: int, other_ms: int
) -> None:
    soon, late = (after(rules, excess, level, used, elapsed) for elapsed in sorted((one_ms, other_ms)))
    assert late.base_fee <= soon.base_fee
    assert late.gas_budget >= soon.gas_budget


@given(rules, excesses, excesses, gas, gas, intervals_ms)
def test_using_more_gas_never_costs_less_later(
    rules: FeeRules, excess: int, level: int, one: int, other: int, elapsed_ms: int
) -> None:
    less, more = (after(rules, excess, level, used, elapsed_ms) for used in sorted((one, other)))
    assert more.base_fee >= less.base_fee
    assert more.gas_budget <= less.gas_budget


@given(excesses, excesses, gas, st.integers(-(10**6), 0))
def test_a_clock_that_goes_backwards_drains_nothing(excess: int, level: int, used: int, elapsed_ms: int) -> None:
    assert after(RULES, excess, level, used, max(elapsed_ms, -1000)) == after(RULES, excess, level, used, 0)


@given(st.lists(st.tuples(st.integers(1, 2000), st.integers(0, 100)), min_size=1, max_size=60))
def test_the_rate_cap_holds_over_any_run_of_blocks(steps: list[tuple[int, int]]) -> None:
    state, used_in_all, elapsed_in_all, last = after(RULES, 0, 0, 0, 0), 0, 0, 0
    for elapsed_ms, percent in steps:
        state = after(RULES, state.excess, state.level, last, elapsed_ms)
        last = state.gas_budget * percent // 100
        used_in_all += last
        elapsed_in_all += elapsed_ms
    assert used_in_all <= RULES.gas_limit + RULES.gas_rate * elapsed_in_all // 1000


def test_a_full_block_waits_for_its_gas_to_drain() -> None:
    assert after(RULES, 0, 0, 0, 0).gas_budget == RULES.gas_limit
    assert after(RULES, 0, 0, RULES.gas_limit, 0).gas_budget == 0
    assert after(RULES, 0, 0, RULES.gas_limit, 100).gas_budget == RULES.gas_rate // 10
    assert after(RULES, 0, 0, RULES.gas_limit, 500).gas_budget == RULES.gas_limit
