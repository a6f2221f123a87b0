"""Where a blob is: what a client without a chain asks a node for, `/zg/dalocate/1`.

    question = commitment, 32 bytes
    answer   = RLP [[commitment, length, quorum, epoch, expiry], beacon, [[[signer, stake, peer] …] …]]

Nothing of it is proven. The blob's fields have an id that the contract's storage proves; a wrong set of holders only
means that nobody is found who has the cells.
"""

from __future__ import annotations

from dataclasses import dataclass

from zg_node import _core
from zg_node.da.assignment import Assignment, assign
from zg_node.da.certificate import Blob
from zg_node.da.holders import HOLDERS_MAX, Holder, HolderSet
from zg_node.errors import InvalidMessage
from zg_node.types.encoding import encode
from zg_node.types.shape import decode

PROTOCOL = "/zg/dalocate/1"

SETS_MAX = 3
PEER_MAX_BYTES = 128
LOCATION_MAX_BYTES = SETS_MAX * HOLDERS_MAX * (PEER_MAX_BYTES + 48) + 256


@dataclass(frozen=True, slots=True)
class Location:
    """A certified blob, and who may keep its rows."""

    blob: Blob
    beacon: bytes
    """32 bytes: of the blob's epoch."""
    sets: tuple[HolderSet, ...]
    """The likeliest first."""

    @classmethod
    def of(cls, blob: Blob, beacon: bytes, assignments: tuple[Assignment, ...]) -> Location:
        """From what a node knows."""
        return cls(blob, beacon, tuple(dict.fromkeys(assignment.holders for assignment in assignments)))

    def assignments(self) -> tuple[Assignment, ...]:
        """The rows of each holder."""
        k, n, _ = _core.erasure_shape(self.blob.length)
        return tuple(assign(holders, self.blob, self.beacon, k + n) for holders in self.sets)

    def encode(self) -> bytes:
        sets = [[(h.signer, h.stake, h.peer.encode()) for h in holders.holders] for holders in self.sets]
        return encode((self.blob.items(), self.beacon, sets))

    @classmethod
    def decode(cls, data: bytes) -> Location:
        """Parse; raises InvalidMessage."""
        match decode(data, LOCATION_MAX_BYTES, "location"):
            case [list(fields), bytes(beacon), list(sets)] if len(beacon) == 32 and 0 < len(sets) <= SETS_MAX:
                return cls(Blob.of_items(fields, "location"), beacon, tuple(map(_holders, sets)))
            case _:
                raise InvalidMessage("location: wrong shape")


def decode_question(message: bytes) -> bytes:
    """The commitment that is asked for. Raises InvalidMessage."""
    if len(message) != 32:
        raise InvalidMessage(f"location: a commitment of {len(message)} bytes")
    return message


def _holders(item: object) -> HolderSet:
    if not isinstance(item, list) or not 0 < len(item) <= HOLDERS_MAX:
        raise InvalidMessage("location: not a set of holders")
    try:
        return HolderSet(tuple(map(_holder, item)))
    except ValueError as error:
        raise InvalidMessage(f"location: {error}") from error


def _holder(item: object) -> Holder:
    match item:
        case [bytes(signer), bytes(stake), bytes(peer)] if (
            len(signer) == 20 and len(stake) <= 8 and len(peer) <= PEER_MAX_BYTES and peer.isascii()
        ):
            return Holder(signer, int.from_bytes(stake, "big"), peer.decode("ascii"))
        case _:
            raise InvalidMessage("location: not a holder")
