"""Noise transport messages, many at a time: what the library's session does for one, without its layers.

    seal  plaintext ─▶ (u16 length ‖ ChaCha20-Poly1305 of at most 65,519 bytes)*
    open  bytes as they came ─▶ plaintexts of the messages that are whole

The library shakes hands; then its two cipher states are taken over, keys and counters, and never used by it again.
Specification: noiseprotocol.org, section 5.1, and github.com/libp2p/specs, noise.
"""

from __future__ import annotations

import struct
from typing import Any, Protocol

from libp2p.abc import ISecureConn
from libp2p.security.noise.io import MAX_PLAINTEXT_LENGTH

from zg_node.p2p.framing import Buffer

LENGTH_BYTES = 2
NONCE = struct.Struct("<4xQ")
"""Of the message with a number."""


class Records(Protocol):
    """Both directions of a secured connection; the tests of what lies above have one without encryption."""

    def seal(self, plain: bytes) -> list[Buffer]:
        """Encrypt and frame, in pieces."""
        ...

    def open(self, data: bytes) -> list[bytes]:
        """Decrypt what is whole now. Raises InvalidTag."""
        ...


class NoiseRecords:
    """`Records` of a Noise session."""

    def __init__(self, secured: ISecureConn) -> None:
        """Take over the session of a connection that the library has secured."""
        noise: Any = secured.conn.noise_state.noise_protocol  # type: ignore[attr-defined]
        self._encrypt = noise.cipher_state_encrypt.cipher.cipher.encrypt
        self._decrypt = noise.cipher_state_decrypt.cipher.cipher.decrypt
        self._sent: int = noise.cipher_state_encrypt.n
        self._received: int = noise.cipher_state_decrypt.n
        self._partial = b""

    def seal(self, plain: bytes) -> list[Buffer]:
        """Encrypt and frame, in pieces."""
        if len(plain) <= MAX_PLAINTEXT_LENGTH:
            message = self._seal_one(plain)
            return [len(message).to_bytes(LENGTH_BYTES, "big") + message]
        view, pieces = memoryview(plain), list[Buffer]()
        for offset in range(0, len(plain), MAX_PLAINTEXT_LENGTH):
            message = self._seal_one(view[offset : offset + MAX_PLAINTEXT_LENGTH])
            pieces += (len(message).to_bytes(LENGTH_BYTES, "big"), message)
        return pieces

    def open(self, data: bytes) -> list[bytes]:
        """Decrypt what is whole now. Raises InvalidTag."""
        if self._partial:
            data = self._partial + data
        elif len(data) > LENGTH_BYTES and len(data) - LENGTH_BYTES == data[0] << 8 | data[1]:  # most often
            return [self._open_one(data[LENGTH_BYTES:])]
        view, position, end = memoryview(data), 0, len(data)
        plains: list[bytes] = []
        while end - position >= LENGTH_BYTES:
            body = position + LENGTH_BYTES
            position_after = body + (data[position] << 8 | data[position + 1])
            if position_after > end:
                break
            plains.append(self._open_one(view[body:position_after]))
            position = position_after
        self._partial = data[position:]
        return plains

    def _open_one(self, message: bytes | memoryview) -> bytes:
        plain: bytes = self._decrypt(NONCE.pack(self._received), message, None)
        self._received += 1
        return plain

    def _seal_one(self, plain: bytes | memoryview) -> bytes:
        message: bytes = self._encrypt(NONCE.pack(self._sent), plain, None)
        self._sent += 1
        return message
