"""What each height holds for Celestia's clients: the bundles that a root block certified, looked through one by one.

A height may hold anybody's blobs; those that are no bundles, or hold nothing of the namespace, are let go again before
the next is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from zg_node import _core
from zg_node.da.encoding import BundledBlob
from zg_node.errors import InvalidMessage, InvalidRequest, Unavailable
from zg_node.gateway.blobs import Blobs, UnknownBlob
from zg_node.gateway.celestia_blob import CelestiaBlob
from zg_node.gateway.inclusion import entries

NEWS_MAX: Final = 256
"""Heights told at once."""


@dataclass(frozen=True, slots=True)
class Found:
    """A blob with its place."""

    bundle: bytes
    entry: BundledBlob
    blob: CelestiaBlob

    def to_json(self) -> dict[str, object]:
        """As clients read it, its commitment computed."""
        return self.blob.to_json(self.blob.commitment(), self.entry.offset)


class Heights:
    """Blobs by height, namespace and share commitment; all of it raises Unavailable when rows cannot be had."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def head(self) -> int:
        """The greatest height."""
        return self._blobs.head()

    async def certified(self, height: int) -> Sequence[bytes]:
        """Commitments, 32 bytes each. Raises Unavailable for a height that is yet to come."""
        head = self.head()
        if height > head:
            raise Unavailable(
                f"header: given height is from the future: networkHeight: {head}, requestedHeight: {height}"
            )
        found = await self._blobs.certified_in(height, height)
        return list(dict.fromkeys(certified.blob.commitment for certified in found))

    async def all(self, height: int, namespaces: Sequence[bytes]) -> list[Found]:
        """Every blob, in the order of these different namespaces, and of certification and submission within one."""
        found: list[Found] = []
        for commitment in await self.certified(height):
            found += await asyncio.to_thread(_look, await self._blobs.get(commitment), namespaces)
        return sorted(found, key=lambda one: namespaces.index(one.blob.namespace))

    async def find(self, height: int, namespace: bytes, commitment: bytes) -> Found:
        """The blob of a share commitment. Raises UnknownBlob."""
        for bundle in await self.certified(height):
            found = await asyncio.to_thread(_pick, await self._blobs.get(bundle), namespace, commitment)
            if found is not None:
                return found
        raise UnknownBlob("no blob of this commitment")

    async def record(self, bundle: bytes, entry: BundledBlob) -> CelestiaBlob:
        """The blob of an entry in the bundle of a commitment. Raises UnknownBlob, InvalidMessage."""
        return CelestiaBlob.of_record(entry.namespace, entry.cut(await self._blobs.get(bundle)))

    async def news(self, first: int, namespace: bytes) -> list[tuple[int, list[dict[str, object]]]]:
        """(height, blobs in JSON, perhaps none) of the heights from `first` on, in order: NEWS_MAX at most, and none
        after the first that has blobs."""
        last = min(self.head(), first + NEWS_MAX - 1)
        if last < first:
            return []
        certified_in = {certified.block for certified in await self._blobs.certified_in(first, last)}
        told: list[tuple[int, list[dict[str, object]]]] = []
        for height in range(first, last + 1):
            blobs = await in_json(await self.all(height, (namespace,))) if height in certified_in else []
            told.append((height, blobs))
            if blobs:
                break
        return told

    async def submit(self, given: Sequence[object]) -> int:
        """Store blobs in JSON as one bundle; returns the height. Raises InvalidRequest."""
        return (await self._blobs.put(await asyncio.to_thread(_bundle, given))).block


async def in_json(found: Sequence[Found]) -> list[dict[str, object]]:
    """As clients read them."""
    return await asyncio.to_thread(lambda: [one.to_json() for one in found])


def _bundle(given: Sequence[object]) -> bytes:
    records: list[tuple[bytes, bytes]] = []
    for item in given:
        blob, commitment = CelestiaBlob.of_json(item)
        if commitment and commitment != blob.commitment():
            raise InvalidRequest("the commitment is not that of the blob's shares")
        records.append((blob.namespace, blob.record()))
    try:
        return _core.bundle_blobs(records)
    except ValueError as error:
        raise InvalidRequest(str(error)) from error


def _look(bundle: bytes, namespaces: Sequence[bytes]) -> list[Found]:
    """Blobs of these namespaces; what lies under one without being a record of ours is none."""
    found: list[Found] = []
    for namespace in namespaces:
        for entry in entries(bundle, namespace):
            try:
                found.append(Found(bundle, entry, CelestiaBlob.of_record(namespace, entry.cut(bundle))))
            except InvalidMessage:
                continue
    return found


def _pick(bundle: bytes, namespace: bytes, commitment: bytes) -> Found | None:
    return next((one for one in _look(bundle, (namespace,)) if one.blob.commitment() == commitment), None)
