"""Commitments as rollups keep them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zg_node.errors import InvalidRequest
from zg_node.gateway.locator import Keccak, Locator, Mode, parse

NUMBER = st.integers(0, (1 << 64) - 1)
HASH = st.binary(min_size=32, max_size=32)
ROOT = bytes(range(32))


def test_the_generic_commitment_is_that_of_the_0g_alt_da_server() -> None:
    expected = "0147" + "0201000000000000" + "0300000000000000" + ROOT.hex()
    assert Locator(ROOT, 0x0102, 3).encode(Mode.OPTIMISM).hex() == expected


def test_the_standard_commitment_begins_with_its_version() -> None:
    assert Locator(ROOT, 1, 0).encode(Mode.STANDARD).hex() == "00" + "01" + "00" * 15 + ROOT.hex()


@given(HASH, NUMBER, NUMBER, st.sampled_from(Mode))
def test_a_locator_survives_its_text(commitment: bytes, epoch: int, quorum: int, mode: Mode) -> None:
    locator = Locator(commitment, epoch, quorum)
    assert parse("0x" + locator.encode(mode).hex(), mode) == locator


@given(HASH)
def test_a_keccak_commitment_survives_its_text(digest: bytes) -> None:
    assert parse("0x" + Keccak(digest).encode().hex(), Mode.OPTIMISM) == Keccak(digest)


@given(st.text(max_size=120), st.sampled_from(Mode))
def test_any_text_is_a_commitment_or_refused(text: str, mode: Mode) -> None:
    with contextlib.suppress(InvalidRequest):
        parse(text, mode)


@pytest.mark.parametrize(
    "text",
    ["", "0x", "0x00", "0147" + "00" * 48, "0x0147" + "00" * 47, "0x0147" + "00" * 49, "0x0148" + "00" * 48, "0xzz"],
)
def test_what_is_not_a_commitment_of_ours_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse(text, Mode.OPTIMISM)
