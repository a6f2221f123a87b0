"""The beacon's arithmetic: what is proven, what is mixed, and proofs as others make them."""

from __future__ import annotations

import pytest
from coincurve import PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tests.beacon import ORDER, prove, unclaimed_reveal
from zg_node import _core
from zg_node.errors import InvalidBlock
from zg_node.execution.beacon import KEY_BYTES, mixed, parts, reveal_message
from zg_node.types.block import REVEAL_BYTES
from zg_node.types.hashing import keccak

NETWORK = b"\1" * 32
MESSAGE = reveal_message(NETWORK, 7, 9)
SECRET = b"\7" * 32
KEY = PrivateKey(SECRET).public_key.format()
PROOF = _core.vrf_prove(SECRET, MESSAGE)
numbers = st.integers(0, 2**64 - 1)


# ── what is proven ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_proven_is_pinned() -> None:
    assert MESSAGE.hex() == "5a475245564c3100" + "01" * 32 + "0000000000000007" + "0000000000000009"


@given(st.tuples(st.binary(min_size=32, max_size=32), numbers, numbers), st.data())
def test_networks_chains_and_heights_have_messages_of_their_own(
    one: tuple[bytes, int, int], data: st.DataObject
) -> None:
    other = data.draw(st.tuples(st.just(one[0]) | st.binary(min_size=32, max_size=32), numbers, numbers))
    assert (one == other) == (reveal_message(*one) == reveal_message(*other))


# ── what is mixed ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_mix_is_the_hash_of_the_parents_and_of_the_output() -> None:
    output = _core.vrf_output(PROOF)
    assert output is not None
    assert mixed(b"\2" * 32, KEY + PROOF) == keccak(b"\2" * 32 + output)


def test_a_draft_reveals_nothing() -> None:
    assert mixed(b"\2" * 32, b"") == keccak(b"\2" * 32)


def test_the_order_of_reveals_counts() -> None:
    start, one, other = bytes(32), unclaimed_reveal(1), unclaimed_reveal(2)
    assert mixed(mixed(start, one), other) != mixed(mixed(start, other), one)
    assert mixed(mixed(start, one), one) != start, "nothing cancels"


def test_what_a_prover_can_vary_is_not_mixed_in() -> None:
    mixes = {mixed(bytes(32), KEY + prove(SECRET, MESSAGE, nonce)) for nonce in range(1, 9)}
    assert mixes == {mixed(bytes(32), KEY + PROOF)}
    assert mixed(bytes(32), bytes(KEY_BYTES) + PROOF) in mixes, "whose it is, others check"


@pytest.mark.parametrize("reveal", [KEY, KEY + PROOF[:-1], KEY + PROOF + b"\0", bytes(REVEAL_BYTES)])
def test_what_has_no_output_is_refused(reveal: bytes) -> None:
    with pytest.raises(InvalidBlock, match="no proof"):
        mixed(bytes(32), reveal)


# ── proofs ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_reveal_is_a_key_and_a_proof() -> None:
    assert len(KEY + PROOF) == REVEAL_BYTES
    assert parts(KEY + PROOF) == (KEY, PROOF)


@given(st.binary(max_size=80), st.integers(1, ORDER - 1), st.integers(1, ORDER - 1))
def test_proofs_of_another_implementation_hold_and_give_the_same_output(message: bytes, key: int, nonce: int) -> None:
    secret = key.to_bytes(32, "big")
    pubkey, proof = PrivateKey(secret).public_key.format(), prove(secret, message, nonce)
    ours = _core.vrf_prove(secret, message)
    output = _core.vrf_verify(pubkey, message, proof)
    assert output is not None
    assert output == _core.vrf_verify(pubkey, message, ours) == _core.vrf_output(proof) == _core.vrf_output(ours)
    assert proof != ours


def test_a_proof_is_of_one_key_and_message() -> None:
    assert _core.vrf_verify(KEY, MESSAGE, PROOF) == _core.vrf_output(PROOF)
    assert _core.vrf_verify(KEY, reveal_message(NETWORK, 7, 10), PROOF) is None
    assert _core.vrf_verify(PrivateKey(b"\6" * 32).public_key.format(), MESSAGE, PROOF) is None


@given(st.integers(0, 8 * REVEAL_BYTES - 1))
def test_a_flipped_bit_spoils_a_reveal(bit: int) -> None:
    spoilt = (int.from_bytes(KEY + PROOF, "big") ^ 1 << bit).to_bytes(REVEAL_BYTES, "big")
    pubkey, proof = parts(spoilt)
    assert _core.vrf_verify(pubkey, MESSAGE, proof) is None


@given(st.binary(max_size=40), st.binary(max_size=100), st.binary(max_size=90))
def test_bytes_of_any_length_are_no_proof(pubkey: bytes, message: bytes, proof: bytes) -> None:
    assert _core.vrf_verify(pubkey, message, proof) is None
    assert _core.vrf_verify(KEY, message, proof) is None
    assert _core.vrf_verify(pubkey, MESSAGE, PROOF) is None


@pytest.mark.parametrize("secret", [b"", bytes(32), b"\1" * 31, ORDER.to_bytes(32, "big")])
def test_what_is_no_secret_proves_nothing(secret: bytes) -> None:
    with pytest.raises(ValueError, match="a secret"):
        _core.vrf_prove(secret, MESSAGE)
