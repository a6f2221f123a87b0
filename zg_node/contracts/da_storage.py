"""Where the contract of data availability keeps what a light client has to know: slots, and what their words say.

    certified[commitment] ─▶ id ─▶ records[id]            the blob's fields; the id is at `da.certified_key`
    versionOf[epoch] ─▶ version ─▶ sets[version]          signer ‖ coins before ‖ coins, by signer
                                     └▶ holders[signer]   peer id
    beacons[epoch]

Solidity's layout: the entry of a mapping is at keccak(key ‖ mapping's slot); an array has its length at its slot, and
its elements from keccak(slot) on. A node reads the same through the contract's views; here each word is proven alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from zg_node.types.hashing import keccak

HOLDERS = 7
VERSION_OF = 9
SETS = 10
BEACONS = 11
RECORDS = 12
"""Slots of the mappings in `DataState`."""

PEER_SLOTS = 3
"""Slots that have a peer id of up to 64 bytes."""
_FIELDS_AT = 2
_PEER_AT = 2
"""Slots within a record, and within a holder."""


def fields_slot(blob_id: bytes) -> int:
    """Of a blob's fields; its word is for `decode_fields`."""
    return _entry(blob_id, RECORDS) + _FIELDS_AT


def decode_fields(word: int) -> tuple[int, int, int, int]:
    """(length, quorum, epoch, expiry); zeros for a blob that was never requested."""
    return word & 0xFFFF_FFFF, word >> 32 & 0xFFFF_FFFF, word >> 64 & (1 << 64) - 1, word >> 128 & (1 << 64) - 1


def beacon_slot(epoch: int) -> int:
    """Of the beacon of an epoch; 0 before it has begun."""
    return _entry(_number(epoch), BEACONS)


def version_slot(epoch: int) -> int:
    """Of the version of the set of an epoch. What a version says never changes."""
    return _entry(_number(epoch), VERSION_OF)


def count_slot(version: int) -> int:
    """Of the number of holders in a set."""
    return _entry(_number(version), SETS)


def member_slots(version: int, count: int) -> tuple[int, ...]:
    """Of the `count` holders of a set; their words are for `decode_member`."""
    first = int.from_bytes(keccak(_number(count_slot(version))), "big")
    return tuple((first + index) % (1 << 256) for index in range(count))


def decode_member(word: int) -> tuple[bytes, int]:
    """(signer, coins)."""
    return (word >> 96).to_bytes(20, "big"), word & (1 << 48) - 1


def peer_slots(signer: bytes) -> tuple[int, ...]:
    """Of the peer id of a holder, PEER_SLOTS of them; their words are for `decode_peer`."""
    slot = _entry(bytes(12) + signer, HOLDERS) + _PEER_AT
    first = int.from_bytes(keccak(_number(slot)), "big")
    return (slot, *(first + index for index in range(PEER_SLOTS - 1)))


def decode_peer(words: Sequence[int]) -> str:
    """A peer id; "" where none was told, or one that is longer than the words, which no peer has."""
    head, *rest = words
    if head & 1:
        length, text = head >> 1, b"".join(map(_number, rest))
    else:
        length, text = (head & 0xFF) >> 1, _number(head)
    return text[:length].decode("ascii", "replace") if length <= len(text) else ""


def _entry(key: bytes, mapping: int) -> int:
    return int.from_bytes(keccak(key + _number(mapping)), "big")


def _number(value: int) -> bytes:
    return value.to_bytes(32, "big")
