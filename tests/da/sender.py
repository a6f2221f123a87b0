"""A sender beside real holders: it offers a blob that is paid for and answers what they pull, truly or not."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.da.cluster import NETWORK
from tests.da.custody import Custody, Member, offer_of
from tests.da.custody import run as run_custody
from zg_node import _core
from zg_node.da.messages import Data, DataRequest, Offer, Row, Rows, RowsRequest, decode_request

EIGHT = (10, 20, 10, 20, 10, 20, 10, 20)
LENGTH = (1 << 20) - 10
"""So much that rows with their paths are shorter than the blob for each of EIGHT."""
BLOB = random.Random(7).randbytes(LENGTH)
ENCODING = _core.Encoding(BLOB)


def run(home: Path, test: Callable[[Custody], Awaitable[None]], stakes: tuple[int, ...] = EIGHT) -> None:
    """Have a test done with connected holders of these stakes."""
    run_custody(home, test, stakes)


class Sender:
    """Answers what holders pull, truly unless told otherwise."""

    def __init__(self, encoding: _core.Encoding, blob: bytes) -> None:
        self.encoding = encoding
        self.blob = blob
        self.checksums = encoding.checksums()
        self.asked: list[RowsRequest | DataRequest] = []
        self.lie: Callable[[list[Row], list[int]], list[Row]] = lambda rows, asked: rows
        self.piece_bytes = 1 << 20

    async def answer(self, peer: str, message: bytes) -> bytes:
        request = decode_request(message)
        assert isinstance(request, RowsRequest | DataRequest)
        self.asked.append(request)
        if isinstance(request, DataRequest):
            piece = self.blob[request.offset : request.offset + self.piece_bytes]
            return Data(self.encoding.header(), piece).encode()
        rows = self.lie(self.encoding.rows(request.rows), list(request.rows))
        return Rows(self.encoding.header(), self.checksums if request.checksums else b"", tuple(rows)).encode()


async def offered(custody: Custody, encoding: _core.Encoding = ENCODING, blob: bytes = BLOB) -> tuple[Sender, Offer]:
    """A paid offer, and who answers for it."""
    sender, offer = Sender(encoding, blob), offer_of(encoding, len(blob))
    custody.serve(sender.answer)
    custody.ledger.requests.add(offer.blob)
    return sender, offer


def signed(member: Member, offer: Offer, signature: bytes) -> bool:
    """Whether it is the member's, over the blob that was offered."""
    return _core.recover_addresses([(offer.blob.digest(NETWORK), signature)]) == [member.signer]


def kept_rows(member: Member, offer: Offer) -> frozenset[int]:
    """Indices of the rows that the member has in its store."""
    kept = member.store.kept(offer.blob)
    return kept.rows() if kept is not None else frozenset()


def flip(data: bytes, bit: int) -> bytes:
    """The data with one bit changed; `bit` counts from the low bit of the first byte."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
