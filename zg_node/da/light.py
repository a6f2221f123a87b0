"""Where a certified blob is, as a light client reads it: every word of it proven.

    commitment ─▶ id ─▶ fields ─┬─▶ beacon of its epoch
                                └─▶ sets of now, of the epoch before, of its own ─▶ members ─▶ peer ids

Who could choose one of these would choose whom the client asks: a holder that is said to keep every row learns every
sample, and may answer just those. So nothing here is a peer's word. What a version, a beacon or a certified blob says
never changes, so the words may be of blocks that follow one another; only peer ids may move meanwhile, and who is then
looked for in vain is out of reach.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from zg_node import _core
from zg_node.contracts import da_storage
from zg_node.da.assignment import Assignment, assign
from zg_node.da.certificate import Blob
from zg_node.da.holders import Holder, HolderSet

Read = Callable[[Sequence[int]], Awaitable[Sequence[int]]]
"""Slots of the contract of data availability, any number → their proven words, each call's of no older a state than the
one before. Raises Unavailable."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A certified blob, and who may keep its rows."""

    blob: Blob
    assignments: tuple[Assignment, ...]
    """The likeliest first: by the set of now, of the epoch before, of the blob's own; each set once."""


async def locate(read: Read, commitment: bytes, blob_id: bytes, epoch: int) -> Whereabouts:
    """Where the blob is that a state of `epoch`, or of its beginning, has certified under `blob_id`. Raises
    Unavailable."""
    blob = await _blob(read, commitment, blob_id)
    epochs = dict.fromkeys((epoch, max(epoch - 1, blob.epoch), blob.epoch))
    slots = (da_storage.beacon_slot(blob.epoch), *map(da_storage.version_slot, epochs))
    beacon, *versions = await read(slots)
    sets = await _sets(read, tuple(dict.fromkeys(versions)))
    k, n, _ = _core.erasure_shape(blob.length)
    return Whereabouts(blob, tuple(assign(holders, blob, beacon.to_bytes(32, "big"), k + n) for holders in sets))


async def _blob(read: Read, commitment: bytes, blob_id: bytes) -> Blob:
    (word,) = await read((da_storage.fields_slot(blob_id),))
    return Blob(commitment, *da_storage.decode_fields(word))


async def _sets(read: Read, versions: Sequence[int]) -> tuple[HolderSet, ...]:
    counts = await read(tuple(map(da_storage.count_slot, versions)))
    slots = [da_storage.member_slots(version, count) for version, count in zip(versions, counts, strict=True)]
    words = iter(await read([slot for of_one in slots for slot in of_one]))
    sets = [[da_storage.decode_member(next(words)) for _ in of_one] for of_one in slots]
    peers = await _peers(read, tuple(dict.fromkeys(signer for members in sets for signer, _ in members)))
    return tuple(
        HolderSet(tuple(Holder(signer, coins, peers[signer]) for signer, coins in members)) for members in sets
    )


async def _peers(read: Read, signers: Sequence[bytes]) -> dict[bytes, str]:
    """Where each signer says that it is reached."""
    words = await read([slot for signer in signers for slot in da_storage.peer_slots(signer)])
    size = da_storage.PEER_SLOTS
    return {
        signer: da_storage.decode_peer(words[index * size : (index + 1) * size]) for index, signer in enumerate(signers)
    }
