"""The base fee and the gas-rate cap of our own chains: functions of gas used and milliseconds, not of blocks.

Ethereum's rule moves the fee once a block; at 100 blocks a second it would move e-fold in a tenth of a second. Here

    excess' = max(0, excess + gas used − target · Δt)        base fee = floor · exp(excess / K)
    level'  = max(0, level  + gas used − rate · Δt)          a block may use gas limit − level

with target = rate / 2, and K such that a second of full load raises the fee by `max_change_per_mille`. Both
numbers travel in the consensus header, as they stand before the block's own gas, so anyone can check them. Everything
is integer arithmetic: a float's last digit may differ between machines, a block's validity must not.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from zg_node.types.block import ConsensusHeader, Header

BASE_FEE_MAX = 10**18
"""Wei. A full chain can never push the fee out of a header's 63 bits."""
EXPONENT_MAX = 42
"""e^42 > BASE_FEE_MAX: a larger exponent need not be computed."""
LOGARITHM_BITS = 128
"""Bits behind the binary point of `logarithm`."""


@dataclass(frozen=True, slots=True)
class FeeRules:
    """Genesis parameters."""

    gas_limit: int
    """Gas a block; also the depth of the gas-rate bucket."""
    gas_rate: int
    """Gas a second that the chain sustains."""
    base_fee_floor: int
    """Wei."""
    max_change_per_mille: int
    """How much a second of full load raises the base fee."""
    divisor: int = field(init=False)
    """K: gas of excess for an e-fold fee."""

    def __post_init__(self) -> None:
        divisor = (self.gas_rate << LOGARITHM_BITS) // (2 * logarithm(self.max_change_per_mille))
        object.__setattr__(self, "divisor", divisor)


@dataclass(frozen=True, slots=True)
class FeeState:
    """What a block is allowed and what it charges, before its own gas."""

    excess: int
    level: int
    base_fee: int
    """Wei a gas."""
    gas_budget: int
    """Gas that the block may use."""


def logarithm(per_mille: int) -> int:
    """2^LOGARITHM_BITS · ln(1 + per_mille/1000), low by less than 2^10; `per_mille` from 1 to 1,000.

    ln x = 2 · artanh((x − 1)/(x + 1)), and artanh z = z + z³/3 + z⁵/5 …"""
    numerator, denominator = per_mille, 2000 + per_mille
    total, term, index = 0, (numerator << LOGARITHM_BITS) // denominator, 1
    while term > 0:
        total += term // index
        term = term * numerator**2 // denominator**2
        index += 2
    return 2 * total


def exponential(factor: int, numerator: int, denominator: int) -> int:
    """⌊factor · e^(numerator/denominator)⌋ by the integer Taylor series of EIP-4844."""
    total, term, index = 0, factor * denominator, 1
    while term > 0:
        total += term
        term = term * numerator // (denominator * index)
        index += 1
    return total // denominator


def base_fee(rules: FeeRules, excess: int) -> int:
    """Wei a gas at this excess."""
    divisor = rules.divisor
    return min(BASE_FEE_MAX, exponential(rules.base_fee_floor, min(excess, EXPONENT_MAX * divisor), divisor))


def next_state(rules: FeeRules, parent: Header, consensus: ConsensusHeader, timestamp_ms: int) -> FeeState:
    """The fee state of a child of (`parent`, `consensus`) at `timestamp_ms`."""
    elapsed_ms = max(0, timestamp_ms - consensus.timestamp_ms)
    excess = max(0, consensus.fee_excess + parent.gas_used - rules.gas_rate * elapsed_ms // 2000)
    level = max(0, consensus.gas_level + parent.gas_used - rules.gas_rate * elapsed_ms // 1000)
    return FeeState(excess, level, base_fee(rules, excess), max(0, rules.gas_limit - level))
