"""The beacon's arithmetic: what is signed, what is mixed, and BLS signatures as everybody else makes them."""

from __future__ import annotations

import pytest
from eth_typing import BLSSignature
from hypothesis import given
from hypothesis import strategies as st
from py_ecc.bls.ciphersuites import G2ProofOfPossession
from py_ecc.bls.g2_primitives import G2_to_signature, signature_to_G2
from py_ecc.bls.hash_to_curve import map_to_curve_G2
from py_ecc.fields import optimized_bls12_381_FQ2 as FQ2
from py_ecc.optimized_bls12_381.optimized_curve import add, curve_order, is_inf, multiply

from tests.bls import CHEAP, pubkey, secret
from zg_node import _core
from zg_node.execution.beacon import BLS, Scheme, mixed, reveal_message
from zg_node.types.block import REVEAL_BYTES
from zg_node.types.hashing import keccak

NETWORK = b"\1" * 32
MESSAGE = reveal_message(NETWORK, 7, 9)
REVEAL = BLS.sign(secret(1), MESSAGE)
INFINITY = b"\xc0" + bytes(95)
numbers = st.integers(0, 2**64 - 1)


# ── what is signed ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_signed_is_pinned() -> None:
    assert MESSAGE.hex() == "5a475245564c3100" + "01" * 32 + "0000000000000007" + "0000000000000009"


@given(st.tuples(st.binary(min_size=32, max_size=32), numbers, numbers), st.data())
def test_networks_chains_and_heights_have_messages_of_their_own(
    one: tuple[bytes, int, int], data: st.DataObject
) -> None:
    other = data.draw(st.tuples(st.just(one[0]) | st.binary(min_size=32, max_size=32), numbers, numbers))
    assert (one == other) == (reveal_message(*one) == reveal_message(*other))


# ── what is mixed ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_mix_is_the_hash_of_the_parents_and_of_the_reveals_hash() -> None:
    assert mixed(b"\2" * 32, REVEAL) == keccak(b"\2" * 32 + keccak(REVEAL))


def test_the_order_of_reveals_counts() -> None:
    start, other = bytes(32), b"\5" * REVEAL_BYTES
    assert mixed(mixed(start, REVEAL), other) != mixed(mixed(start, other), REVEAL)
    assert mixed(mixed(start, REVEAL), REVEAL) != start, "nothing cancels"


# ── signatures ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_signatures_are_those_of_the_ciphersuite() -> None:
    key = int.from_bytes(secret(1), "big")
    assert G2ProofOfPossession.Sign(key, MESSAGE) == REVEAL
    assert G2ProofOfPossession.SkToPk(key) == pubkey(1)
    assert len(REVEAL) == REVEAL_BYTES


@pytest.mark.parametrize("scheme", [BLS, CHEAP], ids=["BLS", "the tests' own"])
def test_a_key_has_one_signature_a_message_and_no_other_key_makes_it(scheme: Scheme) -> None:
    reveal = scheme.sign(secret(1), MESSAGE)
    assert reveal == scheme.sign(secret(1), MESSAGE)
    assert scheme.verify(pubkey(1), MESSAGE, reveal)
    assert not scheme.verify(pubkey(2), MESSAGE, reveal)
    assert not scheme.verify(pubkey(1), reveal_message(NETWORK, 7, 10), reveal)
    assert not scheme.verify(pubkey(1), MESSAGE, scheme.sign(secret(2), MESSAGE))


@pytest.mark.parametrize(
    "signature",
    [b"", bytes(REVEAL_BYTES), INFINITY, REVEAL[:-1], REVEAL + b"\0", b"\xff" * REVEAL_BYTES, b"\x80" + REVEAL[1:]],
)
def test_what_is_no_point_is_no_signature(signature: bytes) -> None:
    assert not BLS.verify(pubkey(1), MESSAGE, signature)


def test_a_signature_moved_out_of_its_group_is_refused() -> None:
    """A second value that passed would be one to choose."""
    point = signature_to_G2(BLSSignature(REVEAL))
    stray = map_to_curve_G2(FQ2((1, 2)))
    torsion = multiply(stray, curve_order)
    assert not is_inf(torsion)
    moved = bytes(G2_to_signature(add(point, torsion)))
    assert not BLS.verify(pubkey(1), MESSAGE, moved)


def test_a_point_has_one_form() -> None:
    """The sign bit gives the negated point, the others none; 192 uncompressed bytes are not asked for."""
    for bit in (0x20, 0x40, 0x80):
        assert not BLS.verify(pubkey(1), MESSAGE, bytes([REVEAL[0] ^ bit]) + REVEAL[1:])
    proof = _core.bls_possession_proof(secret(1), MESSAGE)
    assert not BLS.verify(pubkey(1), MESSAGE, proof[64:256])


@given(st.integers(0, 8 * REVEAL_BYTES - 1))
def test_a_flipped_bit_spoils_a_signature(bit: int) -> None:
    spoilt = (int.from_bytes(REVEAL, "big") ^ 1 << bit).to_bytes(REVEAL_BYTES, "big")
    assert not BLS.verify(pubkey(1), MESSAGE, spoilt)


@pytest.mark.parametrize(
    "key",
    [b"", bytes(48), b"\xc0" + bytes(47), pubkey(1)[:-1], pubkey(1) + b"\0", b"\xff" * 48, b"\x80" + bytes(46) + b"\4"],
    ids=["nothing", "zeros", "infinity", "too short", "too long", "beyond the field", "outside the subgroup"],
)
def test_what_is_no_point_of_the_group_is_no_key(key: bytes) -> None:
    assert not _core.bls_is_public_key(key)
    assert not BLS.verify(key, MESSAGE, REVEAL)
    assert not BLS.verify(key, MESSAGE, INFINITY)


def test_a_secret_of_another_size_is_refused() -> None:
    for wrong in (b"", bytes(32), b"\1" * 31, b"\xff" * 32):
        with pytest.raises(ValueError, match="no BLS secret"):
            BLS.sign(wrong, MESSAGE)
