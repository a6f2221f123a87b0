"""Consensus messages between nodes: the envelope around proposals, votes and certificates.

    shard u16 · kind u8 · RLP of the message        (big-endian)

Every shard's messages share the direct stream of a pair of nodes. `decode` checks the size against the kind first.
"""

from __future__ import annotations

from zg_node.consensus.messages import (
    CERTIFICATE_MAX_BYTES,
    PROPOSAL_MAX_BYTES,
    VOTE_MAX_BYTES,
    Certificate,
    Proposal,
    Vote,
)
from zg_node.errors import InvalidMessage

Message = Proposal | Vote | Certificate

HEAD_BYTES = 3
_PROPOSAL, _VOTE, _CERTIFICATE = 1, 2, 3
_MAX_BYTES = {_PROPOSAL: PROPOSAL_MAX_BYTES, _VOTE: VOTE_MAX_BYTES, _CERTIFICATE: CERTIFICATE_MAX_BYTES}


def encode(shard: int, message: Message) -> bytes:
    """The bytes to send."""
    kind = {Proposal: _PROPOSAL, Vote: _VOTE, Certificate: _CERTIFICATE}[type(message)]
    return shard.to_bytes(2, "big") + bytes([kind]) + message.encode()


def decode(data: bytes) -> tuple[int, Message]:
    """(shard, message). Raises InvalidMessage; signatures are not checked here."""
    kind = data[2] if len(data) >= HEAD_BYTES else 0
    if kind not in _MAX_BYTES:
        raise InvalidMessage("not a consensus message")
    if len(data) > HEAD_BYTES + _MAX_BYTES[kind]:
        raise InvalidMessage(f"a consensus message of {len(data)} bytes")
    shard, payload = int.from_bytes(data[:2], "big"), data[HEAD_BYTES:]
    match kind:
        case 1:
            return shard, Proposal.decode(payload)
        case 2:
            return shard, Vote.decode(payload)
        case _:
            return shard, Certificate.decode(payload)
