"""A beacon where reveals are not what is tested, and a prover that chooses its nonces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256

from coincurve import PrivateKey, PublicKey

from zg_node import _core
from zg_node.execution.beacon import KEY_BYTES
from zg_node.types.block import ConsensusHeader

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Of secp256k1."""
SECRET = b"\x01" * 32


def unclaimed_reveal(number: int) -> bytes:
    """Has an output, and nobody's key."""
    return bytes(KEY_BYTES) + _core.vrf_prove(SECRET, number.to_bytes(8, "big"))


class Silent:
    """Satisfies `execution.beacon.Beacon`: reveals that nobody checks."""

    def reveal(self, number: int) -> bytes:
        return unclaimed_reveal(number)

    def check(self, number: int, header: ConsensusHeader) -> None:
        pass


def prove(secret: bytes, message: bytes, nonce: int) -> bytes:
    """A proof (RFC 9381, secp256k1, SHA-256, try-and-increment) with a nonce of the prover's choice."""
    key = PrivateKey(secret).public_key
    base = next(_points(key.format() + message))
    gamma = base.multiply(secret)
    sealed = nonce.to_bytes(32, "big")
    points = (key, base, gamma, PrivateKey(sealed).public_key, base.multiply(sealed))
    c = sha256(b"\xfe\x02" + b"".join(point.format() for point in points) + b"\0").digest()[:16]
    s = (nonce + int.from_bytes(c, "big") * int.from_bytes(secret, "big")) % ORDER
    return gamma.format() + c + s.to_bytes(32, "big")


def _points(hashed: bytes) -> Iterator[PublicKey]:
    for counter in range(256):
        with suppress(ValueError):
            yield PublicKey(b"\x02" + sha256(b"\xfe\x01" + hashed + bytes([counter, 0])).digest())
