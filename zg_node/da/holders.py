"""Who serves data availability in an epoch, by stake that was locked before the epoch's beacon was known."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate

HOLDERS_MAX = 256


@dataclass(frozen=True, slots=True)
class Holder:
    """Who keeps rows in an epoch."""

    signer: bytes
    """20 bytes: the address of the key that it signs with."""
    stake: int
    peer: str
    """libp2p peer id; "" for a holder that told none and cannot be asked."""


@dataclass(frozen=True, slots=True)
class HolderSet:
    """The holders of an epoch, ordered by signer."""

    holders: tuple[Holder, ...]
    starts: tuple[int, ...] = field(init=False)
    """The stake before each holder, and at the end all of it."""
    quorum: int = field(init=False)
    """Stake that a certificate needs: ⌊2W/3⌋ + 1."""

    def __post_init__(self) -> None:
        if not 0 < len(self.holders) <= HOLDERS_MAX or any(holder.stake <= 0 for holder in self.holders):
            raise ValueError(f"a set has 1 to {HOLDERS_MAX} holders with positive stake")
        signers = [holder.signer for holder in self.holders]
        if signers != sorted(set(signers)) or any(len(signer) != 20 for signer in signers):
            raise ValueError("a set is ordered by signer, without duplicates")
        starts = (0, *accumulate(holder.stake for holder in self.holders))
        object.__setattr__(self, "starts", starts)
        object.__setattr__(self, "quorum", 2 * starts[-1] // 3 + 1)

    @property
    def total(self) -> int:
        """W: the stake of all."""
        return self.starts[-1]

    def index_of(self, signer: bytes) -> int | None:
        """The holder's index, or None when it is not in the set."""
        return next((index for index, holder in enumerate(self.holders) if holder.signer == signer), None)
