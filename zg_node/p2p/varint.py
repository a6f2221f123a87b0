"""Messages behind a varint of their length, as libp2p writes its Protocol Buffers."""

from __future__ import annotations

from zg_node.errors import InvalidMessage

VARINT_MAX_BYTES = 4

_LOW, _MORE = 0x7F, 0x80


def encode_varint(value: int) -> bytes:
    """A base-128 number, low digits first."""
    encoded = bytearray()
    while value > _LOW:
        encoded.append(value & _LOW | _MORE)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def take_prefixed(buffer: bytearray, limit: int) -> bytes | None:
    """Remove the message at the front of `buffer`; None when it is not whole yet. Raises InvalidMessage when it is
    longer than `limit`."""
    length, used = 0, 0
    while True:
        if used == VARINT_MAX_BYTES:
            raise InvalidMessage("a length that is too long")
        if used == len(buffer):
            return None
        byte = buffer[used]
        length |= (byte & _LOW) << 7 * used
        used += 1
        if not byte & _MORE:
            break
    if length > limit:
        raise InvalidMessage(f"a message of {length} bytes, where {limit} are allowed")
    if len(buffer) < used + length:
        return None
    message = bytes(memoryview(buffer)[used : used + length])
    del buffer[: used + length]
    return message
