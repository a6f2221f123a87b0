"""multistream-select: how two peers agree on the protocol of a stream.

    opener                                     acceptor
    ‹/multistream/1.0.0› ‹protocol› data ─▶
                                          ◀─   ‹/multistream/1.0.0› ‹protocol› or ‹na›

A token is a varint length, the text, and a newline. The opener sends both tokens at once; its data follow at once, too,
when it knows that the protocol is spoken, and after the answers otherwise.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

from zg_node.errors import InvalidMessage, Unavailable

MULTISTREAM = "/multistream/1.0.0"
REFUSAL = "na"
TOKEN_MAX_BYTES = 255
"""Longest token, newline included."""
PROPOSALS_MAX = 8
"""Protocols that an opener may try on one stream."""

_VARINT_LOW = 0x7F
_VARINT_MORE = 0x80
_VARINT_MAX_BYTES = 2
_NEWLINE = 0x0A

Read = Callable[[], Awaitable[bytes]]
"""Reads some bytes; b"" at the end."""


class Connection(Protocol):
    """Bytes in both directions, before there are streams."""

    async def read(self, n: int | None = None) -> bytes:
        """At most `n` bytes; b"" at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """Send everything."""
        ...


def token(text: str) -> bytes:
    """Encode a token."""
    body = text.encode() + b"\n"
    assert len(body) <= TOKEN_MAX_BYTES
    if len(body) <= _VARINT_LOW:
        return bytes((len(body),)) + body
    return bytes((len(body) & _VARINT_LOW | _VARINT_MORE, len(body) >> 7)) + body


def take_token(buffer: bytearray) -> str | None:
    """Remove the token at the front of `buffer`; None when it is not whole yet. Raises InvalidMessage."""
    length, used = 0, 0
    while True:
        if used == len(buffer):
            return None
        byte = buffer[used]
        length |= (byte & _VARINT_LOW) << 7 * used
        used += 1
        if not byte & _VARINT_MORE:
            break
        if used == _VARINT_MAX_BYTES:
            raise InvalidMessage("a protocol name that is too long")
    if not 0 < length <= TOKEN_MAX_BYTES:
        raise InvalidMessage("a protocol name that is too long, or empty")
    if len(buffer) < used + length:
        return None
    body = bytes(buffer[used : used + length])
    del buffer[: used + length]
    if body[-1] != _NEWLINE:
        raise InvalidMessage("a protocol name without a newline")
    try:
        return body[:-1].decode()
    except UnicodeDecodeError as error:
        raise InvalidMessage("a protocol name that is not text") from error


async def read_token(buffer: bytearray, read: Read) -> str:
    """The next token; what follows it stays in `buffer`. Raises InvalidMessage, and Unavailable at the end."""
    while (text := take_token(buffer)) is None:
        data = await read()
        if not data:
            raise Unavailable("the stream ended during negotiation")
        buffer += data
    return text


async def accept(
    buffer: bytearray, read: Read, write: Callable[[bytes], Awaitable[None]], known: Collection[str]
) -> str:
    """Agree on a protocol as the acceptor; returns one of `known`. Raises InvalidMessage, Unavailable."""
    if await read_token(buffer, read) != MULTISTREAM:
        raise InvalidMessage("not a multistream negotiation")
    answer = token(MULTISTREAM)
    for tried in range(PROPOSALS_MAX):
        if tried or not buffer:
            await write(answer)
            answer = b""
        try:
            wanted = await read_token(buffer, read)
        except InvalidMessage as error:
            if tried:  # data for the protocol that we refused
                raise Unavailable("no protocol that we know") from error
            raise
        if wanted in known:
            await write(answer + token(wanted))
            return wanted
        answer += token(REFUSAL)
    await write(answer)
    raise InvalidMessage("no protocol that we know")


def opening(protocol: str) -> bytes:
    """What an opener sends before its data."""
    return token(MULTISTREAM) + token(protocol)


async def confirm(buffer: bytearray, read: Read, protocol: str) -> None:
    """Read the acceptor's answers to `opening`. Raises InvalidMessage, and Unavailable when it refused."""
    if await read_token(buffer, read) != MULTISTREAM:
        raise InvalidMessage("not a multistream negotiation")
    answer = await read_token(buffer, read)
    if answer == REFUSAL:
        raise Unavailable(f"the peer does not know {protocol}")
    if answer != protocol:
        raise InvalidMessage("an answer to another protocol")


async def agree(connection: Connection, opens: bool, protocol: str) -> None:
    """Agree with the peer on the only protocol that we speak, as the opener or the acceptor, and read nothing beyond.
    Raises InvalidMessage, Unavailable, and what the connection raises."""
    buffer = bytearray()

    async def read() -> bytes:
        return await connection.read(1)

    if opens:
        await connection.write(opening(protocol))
        await confirm(buffer, read, protocol)
    else:
        await accept(buffer, read, connection.write, (protocol,))
