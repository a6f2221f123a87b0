"""Where a validator stands, and what brings it back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zg_node.cli.staking import next_step, status
from zg_node.contracts.staking import ValidatorInfo

FREE = ValidatorInfo(b"\1" * 20, b"\2" * 20, b"\3" * 20, b"\4" * 48, 1, 1, 1, 0, 0, 0, 0, 0, 0, False, True)
JAILED = replace(FREE, jailed_until=7)
SLASHED = replace(JAILED, tombstoned=True)


@pytest.mark.parametrize(
    ("info", "epoch", "state", "step"),
    [
        (FREE, 7, "waiting", None),
        (JAILED, 6, "jailed", "from epoch 7 on, zg-node validator unjail 0x0101010101010101010101010101010101010101"),
        (JAILED, 7, "may unjail", "zg-node validator unjail 0x0101010101010101010101010101010101010101"),
        (
            replace(JAILED, tombstoned=True),
            7,
            "slashed",
            "none: a validator that contradicted itself never votes again",
        ),
    ],
)
def test_who_has_lost_its_place_is_told_the_way_back(
    info: ValidatorInfo, epoch: int, state: str, step: str | None
) -> None:
    assert status(info, epoch, {}, {}) == state
    assert next_step(info, state) == step
