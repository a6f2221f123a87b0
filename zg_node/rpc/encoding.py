"""Values to JSON bytes in Ethereum's encoding: quantities without leading zeros, data in whole bytes."""

from __future__ import annotations

from binascii import hexlify
from collections.abc import Iterable

import orjson

NULL = b"null"
TRUE = b"true"
FALSE = b"false"


def quantity(number: int) -> bytes:
    """`"0x1a"`."""
    return b'"0x%x"' % number


def hex_data(value: bytes) -> bytes:
    """`"0x00ff"`."""
    return b'"0x' + hexlify(value) + b'"'


def hex_text(value: bytes) -> str:
    """`0x00ff` as a Python string, for values that orjson encodes later."""
    return "0x" + value.hex()


def boolean(value: bool) -> bytes:
    return TRUE if value else FALSE


def array(items: Iterable[bytes]) -> bytes:
    """Encoded items to an encoded array."""
    return b"[" + b",".join(items) + b"]"


def document(value: object) -> bytes:
    """Anything that orjson knows."""
    return orjson.dumps(value)


def success(request_id: bytes, result: bytes) -> bytes:
    """A JSON-RPC response; both arguments are encoded JSON."""
    return b'{"jsonrpc":"2.0","id":' + request_id + b',"result":' + result + b"}"


def failure(request_id: bytes, error: bytes) -> bytes:
    """A JSON-RPC error response; both arguments are encoded JSON."""
    return b'{"jsonrpc":"2.0","id":' + request_id + b',"error":' + error + b"}"
