"""Who signed a gossip message. Both implementations of gossip ask here: what one of them passes on and the other one
refused would cost an honest peer its points, and libraries differ in the signatures that nobody makes by honest means.

Specification: github.com/libp2p/specs, pubsub, "message signing".
"""

from __future__ import annotations

from collections import OrderedDict

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.validators import signature_validator

SIGNING_PREFIX = b"libp2p-pubsub:"
KEYS_MAX = 1024

_ED25519_ID_PREFIX = bytes.fromhex("002408011220")
"""A peer id that is an Ed25519 key: the identity multihash of its 36 bytes."""
_ED25519_ID_BYTES = 38


class Verifier:
    """Checks signatures; keys are remembered."""

    def __init__(self) -> None:
        self._keys: OrderedDict[bytes, Ed25519PublicKey] = OrderedDict()

    def verify(self, message: rpc_pb2.Message) -> bool:
        """Whether the peer in `from_id` signed the message."""
        source = message.from_id
        if len(source) != _ED25519_ID_BYTES or not source.startswith(_ED25519_ID_PREFIX):
            return _verify_other(message)
        bare = rpc_pb2.Message(from_id=source, seqno=message.seqno, data=message.data, topicIDs=message.topicIDs)
        try:
            self._key(source).verify(message.signature, SIGNING_PREFIX + bare.SerializeToString())
        except (InvalidSignature, ValueError):
            return False
        return True

    def _key(self, source: bytes) -> Ed25519PublicKey:
        key = self._keys.get(source)
        if key is None:
            key = Ed25519PublicKey.from_public_bytes(source[len(_ED25519_ID_PREFIX) :])
            if len(self._keys) >= KEYS_MAX:
                self._keys.popitem(last=False)
            self._keys[source] = key
        return key


def _verify_other(message: rpc_pb2.Message) -> bool:
    """The library's check, for RSA and secp256k1 identities of other implementations."""
    try:
        return bool(signature_validator(message))
    except Exception:  # noqa: BLE001 — what the key parsers raise is theirs to know
        return False
