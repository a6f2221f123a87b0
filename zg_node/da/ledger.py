"""What data availability asks of the root shard: the contract that the node layer fulfils.

Everything here is of the node's own final root chain. Reads that execute code are awaited; they raise Unavailable while
the answer is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from zg_node.da.certificate import Blob, Certificate
from zg_node.da.holders import HolderSet


@dataclass(frozen=True, slots=True)
class Certified:
    """A blob that the contract has certified."""

    blob: Blob
    signers: tuple[int, ...]
    """Indices into the set of the blob's epoch, ascending."""
    block: int
    """Number of the root block that certified it."""


class Ledger(Protocol):
    """The root chain, as holders and clients see it."""

    @property
    def network(self) -> bytes:
        """32 bytes: the hash of the genesis' parameters, part of what is signed."""
        ...

    def epoch(self) -> int:
        """The epoch of the next root block."""
        ...

    async def holders(self, epoch: int) -> HolderSet:
        """Who serves in `epoch`. Raises Unavailable: not fixed yet, or forgotten."""
        ...

    async def beacon(self, epoch: int) -> bytes:
        """32 bytes that turn the rows in `epoch`. Raises Unavailable before the epoch has begun."""
        ...

    async def paid(self, blob: Blob) -> bool:
        """Whether a request for exactly this blob is paid, and neither refunded nor too old to be certified."""
        ...

    async def certified(self, commitment: bytes) -> Certified | None:
        """The certificate for a commitment that lasts longest; None when there is none."""
        ...

    async def certificate(self, blob: Blob) -> Certified | None:
        """The certificate of exactly this blob; None when there is none."""
        ...

    async def live(self, first: int, count: int) -> Sequence[Certified]:
        """Certified blobs that are not past their expiry, in the order of certification, from the `first`-th on: at
        most `count`, fewer only at the end."""
        ...

    async def pay(self, blob: Blob) -> None:
        """Request the blob; returns once the payment is final. Raises Unavailable, InvalidRequest."""
        ...

    async def certify(self, certificate: Certificate) -> None:
        """Bring the certificate to the chain; returns once it is final. Raises Unavailable, InvalidRequest."""
        ...
