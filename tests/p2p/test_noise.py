"""Our records against the library's own session."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st
from libp2p.security.noise.io import MAX_PLAINTEXT_LENGTH
from noise.connection import NoiseConnection  # type: ignore[import-untyped]

from zg_node.p2p.noise import LENGTH_BYTES, NoiseRecords


def sessions() -> tuple[Any, Any]:
    """Two ends that have shaken hands; one message has passed in each direction, so that no counter is at zero."""
    one, two = (NoiseConnection.from_name(b"Noise_NN_25519_ChaChaPoly_SHA256") for _ in range(2))
    one.set_as_initiator()
    two.set_as_responder()
    for end in (one, two):
        end.start_handshake()
    two.read_message(one.write_message())
    one.read_message(two.write_message())
    assert two.decrypt(one.encrypt(b"first")) == b"first"
    assert one.decrypt(two.encrypt(b"first")) == b"first"
    return one, two


def records(session: Any) -> NoiseRecords:
    conn: Any = SimpleNamespace(conn=SimpleNamespace(noise_state=session))
    return NoiseRecords(conn)


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(LENGTH_BYTES, "big") + message


@given(st.lists(st.binary(max_size=100), max_size=8), st.integers(1, 60))
def test_what_the_library_encrypts_is_opened_however_it_is_cut(plains: list[bytes], cut: int) -> None:
    theirs, ours = sessions()
    stream, reader = b"".join(framed(theirs.encrypt(plain)) for plain in plains), records(ours)
    opened = [plain for at in range(0, len(stream), cut) for plain in reader.open(stream[at : at + cut])]
    assert opened == plains


@pytest.mark.parametrize("size", [0, 1, MAX_PLAINTEXT_LENGTH, MAX_PLAINTEXT_LENGTH + 1, 3 * MAX_PLAINTEXT_LENGTH])
def test_what_we_seal_the_library_decrypts(size: int) -> None:
    ours, theirs = sessions()
    sealed, plain = b"".join(records(ours).seal(bytes(size))), b""
    while sealed:
        end = LENGTH_BYTES + int.from_bytes(sealed[:LENGTH_BYTES], "big")
        plain += theirs.decrypt(sealed[LENGTH_BYTES:end])
        sealed = sealed[end:]
    assert plain == bytes(size)


@pytest.mark.parametrize("parts", [1, 2])
def test_a_record_that_was_changed_is_refused(parts: int) -> None:
    theirs, ours = sessions()
    stream = bytearray(b"".join(framed(theirs.encrypt(b"vote")) for _ in range(parts)))
    stream[-1] ^= 1
    with pytest.raises(InvalidTag):
        records(ours).open(bytes(stream))


def test_a_record_that_comes_again_is_refused() -> None:
    theirs, ours = sessions()
    record, reader = framed(theirs.encrypt(b"vote")), records(ours)
    assert reader.open(record) == [b"vote"]
    with pytest.raises(InvalidTag):
        reader.open(record)
