"""A fresh root shard for every test that asks for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.staking_chain import StakingChain


@pytest.fixture
def chain(tmp_path: Path) -> StakingChain:
    return StakingChain(tmp_path / "state")
