"""How a request ended."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """The first byte of a response, and what the host tells the node; peers send the first three only."""

    ANSWERED = 0
    REFUSED = 1
    INVALID = 2
    GONE = 3
    LATE = 4
    BUSY = 5
    UNKNOWN = 6

    @property
    def sentence(self) -> str:
        """For people."""
        return _SENTENCES[self]


_SENTENCES = {
    Status.ANSWERED: "the peer answered",
    Status.REFUSED: "the peer refused the request",
    Status.INVALID: "the peer found the request invalid",
    Status.GONE: "the peer went away",
    Status.LATE: "the peer did not answer in time",
    Status.BUSY: "too many requests to this peer are under way",
    Status.UNKNOWN: "the peer does not know the protocol",
}
