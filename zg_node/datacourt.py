"""The challenges of data availability on the root chain: `da.witness.Court` over the contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from zg_node.contracts import da
from zg_node.contracts.da import DATA_AVAILABILITY
from zg_node.da.certificate import Blob
from zg_node.da.witness import Challenge
from zg_node.errors import InvalidConfig, Reverted, Unavailable
from zg_node.rootaccount import Call

ANSWER_GAS = 400_000
"""A cell of 1 KiB with its path, hashed."""
LOOKED_MAX = 256
"""Challenges that are looked at in one go."""


class Account(Protocol):
    """What sends our transactions; `RootAccount` is one."""

    async def ask(self, to: bytes, data: bytes) -> bytes:
        """Raises Reverted, Unavailable."""
        ...

    async def send(self, call: Call) -> None:
        """Returns once it is final. Raises Reverted, InvalidRequest, Unavailable."""
        ...


class ChainCourt:
    """`Court` of a running node."""

    def __init__(self, account: Account, height: Callable[[], int]) -> None:
        """`account` is the holder's signer or owner; `height` tells the last final root block."""
        self._account = account
        self._height = height

    def height(self) -> int:
        """Number of the last final root block."""
        return self._height()

    async def challenges(self, signer: bytes, first: int) -> tuple[Sequence[Challenge], int]:
        """Open challenges of a holder, from number `first` on, and the first that was not looked at. Raises
        Unavailable."""
        try:
            (count,) = da.function("challengeCount").decode(await self._ask(da.function("challengeCount").encode()))
            end = min(int(count), first + LOOKED_MAX)
            found = [await self._read(number, signer) for number in range(first, end)]
        except (Reverted, InvalidConfig) as error:
            raise Unavailable(f"the contract of data availability does not answer: {error}") from error
        return [challenge for challenge in found if challenge is not None], max(first, end)

    async def answer(self, number: int, header: bytes, cell: bytes, path: bytes) -> None:
        """Show a cell; returns once that is final. Raises Unavailable, InvalidRequest."""
        await self._account.send(Call(DATA_AVAILABILITY, da.answer(number, header, cell, path), ANSWER_GAS))

    async def _read(self, number: int, signer: bytes) -> Challenge | None:
        """A challenge, when it is open and the holder's."""
        info = da.decode_challenge_info(await self._ask(da.challenge_info_call(number)))
        if not info.deadline or info.signer != signer:
            return None
        known = da.decode_blob_info(await self._ask(da.blob_info_call(info.id)))
        blob = Blob(known.commitment, known.length, known.quorum, known.epoch, known.expiry)
        return Challenge(number, blob, info.row, info.cell, info.deadline)

    async def _ask(self, data: bytes) -> bytes:
        answer = await self._account.ask(DATA_AVAILABILITY, data)
        if not answer:
            raise Unavailable("this network's genesis has no data availability")
        return answer
