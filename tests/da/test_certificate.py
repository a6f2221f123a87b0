"""What is signed, and when many signatures are a certificate."""

from __future__ import annotations

from dataclasses import replace

import pytest
from coincurve import PrivateKey

from zg_node.da.certificate import Blob, Certificate, Tally
from zg_node.da.holders import Holder, HolderSet
from zg_node.errors import BadSignature, InvalidMessage
from zg_node.keys import address_of
from zg_node.types.encoding import encode
from zg_node.types.hashing import keccak

NETWORK = keccak(b"network")
BLOB = Blob(b"\x01" * 32, 1 << 20, 3, 7, 9)
KEYS = sorted((PrivateKey(bytes([i + 1] * 32)) for i in range(7)), key=lambda key: address_of(key.secret))
SET = HolderSet(tuple(Holder(address_of(key.secret), 10, "") for key in KEYS))


def sign(index: int, blob: Blob = BLOB, network: bytes = NETWORK) -> bytes:
    return KEYS[index].sign_recoverable(blob.digest(network), hasher=None)


def certificate(*signers: int) -> Certificate:
    return Certificate(BLOB, tuple((index, sign(index)) for index in signers))


def test_the_digest_and_the_id_are_what_the_contract_computes() -> None:
    fields = NETWORK + b"\x01" * 32 + bytes.fromhex("0000000000100000 00000003 0000000000000007 0000000000000009")
    assert BLOB.digest(NETWORK) == keccak(b"ZGDAROW1" + fields)
    assert BLOB.id(NETWORK) == keccak(fields)
    assert BLOB.digest(NETWORK).hex() == "e19b9e3e441e62305f1517a1883cbd04009f02e18f122b888a128d44b0afa6f3"


def test_every_field_changes_what_is_signed() -> None:
    others = [
        replace(BLOB, commitment=b"\x02" * 32), replace(BLOB, length=1), replace(BLOB, quorum=4),
        replace(BLOB, epoch=8), replace(BLOB, expiry=10),
    ]  # fmt: skip
    digests = {blob.digest(NETWORK) for blob in (BLOB, *others)} | {BLOB.digest(b"\x00" * 32)}
    assert len(digests) == 7
    assert BLOB.id(NETWORK) not in digests


def test_five_of_seven_equal_holders_certify() -> None:
    certificate(0, 2, 3, 4, 6).check(SET, NETWORK)


def test_one_signature_short_of_two_thirds_is_no_certificate() -> None:
    with pytest.raises(InvalidMessage, match="no quorum"):
        certificate(0, 2, 3, 4).check(SET, NETWORK)


def test_a_signer_counts_once() -> None:
    for signers in ((0, 0, 1, 2, 3), (1, 0, 2, 3, 4)):
        with pytest.raises(InvalidMessage, match="not ascending"):
            certificate(*signers).check(SET, NETWORK)


def test_a_signature_counts_only_for_its_key_its_blob_and_its_network() -> None:
    good = certificate(0, 1, 2, 3, 4).signatures
    rogue = PrivateKey(b"\x77" * 32).sign_recoverable(BLOB.digest(NETWORK), hasher=None)
    for bad in (sign(5), sign(4, replace(BLOB, epoch=8)), sign(4, network=b"\x00" * 32), rogue, bytes(65)):
        with pytest.raises(BadSignature, match="holder 4 did not sign"):
            Certificate(BLOB, (*good[:4], (4, bad))).check(SET, NETWORK)


def test_a_holder_that_is_not_in_the_set_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="no holder 7"):
        Certificate(BLOB, (*certificate(0, 1, 2, 3, 4).signatures, (7, sign(0)))).check(SET, NETWORK)


def test_a_certificate_is_what_it_was_before_it_was_bytes() -> None:
    one = certificate(0, 1, 2, 3, 6)
    assert Certificate.decode(one.encode()) == one


@pytest.mark.parametrize(
    "data",
    [
        b"",
        encode(()),
        encode((BLOB.items(),)),
        encode((BLOB.items()[:4], ())),
        encode(((b"\x01" * 31, 1, 1, 1, 1), ())),
        encode(((b"\x01" * 32, 1, 1 << 32, 1, 1), ())),
        encode(((b"\x01" * 32, b"\x00\x01", 1, 1, 1), ())),
        encode((BLOB.items(), ((0, bytes(64)),))),
        encode((BLOB.items(), ((256, bytes(65)),))),
        encode((BLOB.items(), (bytes(65),))),
        encode((BLOB.items(), ((0, bytes(65)),) * 300)),
    ],
)
def test_bytes_that_are_no_certificate_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidMessage, match="certificate"):
        Certificate.decode(data)


def test_a_tally_is_a_certificate_as_soon_as_the_quorum_has_signed() -> None:
    tally = Tally(BLOB, SET, NETWORK)
    for count, index in enumerate((6, 0, 3, 2)):
        assert tally.add(index, sign(index))
        assert tally.stake == 10 * (count + 1)
        assert tally.certificate() is None
    assert not tally.add(6, sign(6))
    assert tally.add(4, sign(4))
    assert tally.certificate() == certificate(0, 2, 3, 4, 6)


def test_a_tally_takes_nobody_elses_signature() -> None:
    tally = Tally(BLOB, SET, NETWORK)
    with pytest.raises(BadSignature, match="holder 1 did not sign"):
        tally.add(1, sign(2))
    assert tally.stake == 0
