"""HTTP/1.1 heads: from the parsed request line and headers to what the server does about them, and response heads back.

Pure: the listener's settings in, a decision out.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from zg_node.rpc.limits import Listener

JSON: Final = b"application/json"
TEXT: Final = b"text/plain; charset=utf-8"
METRICS_TEXT: Final = b"text/plain; version=0.0.4; charset=utf-8"
BINARY: Final = b"application/octet-stream"
JSON_TYPES: Final = (b"application/json", b"application/json-rpc", b"application/jsonrequest")

_PIECE: Final = re.compile(rb"([^?]*)/da/(\d{1,18})/(\d{1,18})/?(?:\?.*)?", re.DOTALL)
"""<path of a shard>/da/<upload>/<offset>"""

REASONS: Final = {
    200: b"OK",
    204: b"No Content",
    400: b"Bad Request",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    413: b"Content Too Large",
    415: b"Unsupported Media Type",
    417: b"Expectation Failed",
    426: b"Upgrade Required",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}

FORWARDING_HEADERS: Final = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via")


class Action(Enum):
    """What a request asks for."""

    RPC = auto()
    PIECE = auto()
    """Bring a piece of a blob: the body, as it is."""
    WEBSOCKET = auto()
    WELCOME = auto()
    HEALTH = auto()
    READY = auto()
    METRICS = auto()
    PREFLIGHT = auto()


BODY_TYPES: Final = {Action.RPC: JSON_TYPES, Action.PIECE: (BINARY,)}
"""Content types of what is posted; a browser page cannot post any of them to another origin without asking first."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is answered without being looked into."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class Head:
    """A checked request head."""

    action: Action
    shard: int
    keep_alive: bool
    length: int | None
    """Content-Length; None for a chunked body."""
    forwarded: bool
    """A proxy says that the client is somewhere else."""
    expects_continue: bool
    extra: bytes
    """Response header lines for CORS."""
    websocket_key: bytes
    piece: tuple[int, int] | None
    """(upload, offset) of a PIECE."""


def read_head(
    method: bytes,
    target: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    keep_alive: bool,
    listener: Listener,
    shards: int,
) -> Head | Refusal:
    """Decide on a request. Header names are lower case; the body has not been read."""
    fields = dict(headers)
    if b"host" in fields and not host_allowed(fields[b"host"], listener.hosts):
        return Refusal(403, "invalid host specified: add it to the listener's allowed hosts")
    origin = fields.get(b"origin")
    extra = cors_lines(origin, listener.origins)
    routed = route(target, listener, shards)
    if isinstance(routed, Refusal):
        return routed
    action, shard = routed
    upgrade = fields.get(b"upgrade", b"").lower() == b"websocket"
    if upgrade and action is Action.RPC and method == b"GET":
        if origin is not None and not extra:
            return Refusal(403, "origin not allowed: add it to the listener's CORS origins")
        if fields.get(b"sec-websocket-version") != b"13" or b"sec-websocket-key" not in fields:
            return Refusal(426, "a WebSocket handshake needs Sec-WebSocket-Version: 13 and a Sec-WebSocket-Key")
        action = Action.WEBSOCKET
    elif method == b"OPTIONS":
        action = Action.PREFLIGHT
        extra += preflight_lines(extra)
    elif method == b"GET" and action is not Action.PIECE:
        action = Action.WELCOME if action is Action.RPC else action
    elif method != b"POST" or action not in BODY_TYPES:
        return Refusal(405, "use POST for JSON-RPC and GET for /health, /ready and /metrics")
    elif fields.get(b"content-type", b"").split(b";")[0].strip().lower() not in BODY_TYPES[action]:
        return Refusal(415, f"invalid content type, only {BODY_TYPES[action][0].decode()} is supported")
    elif fields.get(b"content-encoding", b"identity").lower() != b"identity":
        return Refusal(415, "compressed requests are not supported")
    expect = fields.get(b"expect", b"").lower()
    if expect not in (b"", b"100-continue"):
        return Refusal(417, "the only expectation supported is 100-continue")
    length = fields.get(b"content-length", b"0")
    return Head(
        action=action,
        shard=shard,
        keep_alive=keep_alive,
        length=None if b"transfer-encoding" in fields else int(length),
        forwarded=any(name in fields for name in FORWARDING_HEADERS),
        expects_continue=bool(expect),
        extra=extra,
        websocket_key=fields.get(b"sec-websocket-key", b""),
        piece=piece_at(target),
    )


def route(target: bytes, listener: Listener, shards: int) -> tuple[Action, int] | Refusal:
    """What lives at a request target. A node that starts has no `shards` yet: any may be meant."""
    path = target.split(b"?")[0].rstrip(b"/") or b"/"
    if path == b"/health":
        return Action.HEALTH, 0
    if path == b"/ready":
        return Action.READY, 0
    if path == b"/metrics" and listener.metrics:
        return Action.METRICS, 0
    if not listener.rpc:
        return Refusal(404, "not found: this port serves /metrics, /health and /ready")
    action = Action.RPC
    if "zg" in listener.namespaces and (piece := _PIECE.fullmatch(path)):
        action, path = Action.PIECE, piece[1] or b"/"
    if path == b"/":
        return action, 0
    prefix, _, index = path.rpartition(b"/")
    if prefix == b"/shard" and index.isdigit() and len(index) < 6 and (int(index) < shards or not shards):
        return action, int(index)
    return Refusal(404, f"not found: JSON-RPC is at / (shard 0) and /shard/0 to /shard/{shards - 1}")


def piece_at(target: bytes) -> tuple[int, int] | None:
    """(upload, offset) in the target of a PIECE; None in any other."""
    piece = _PIECE.fullmatch(target)
    return (int(piece[2]), int(piece[3])) if piece else None


def host_allowed(host: bytes, allowed: Sequence[str]) -> bool:
    """Whether a Host header is an IP address or one of the allowed names: a rebound DNS name is neither."""
    if "*" in allowed:
        return True
    name = host.decode("latin-1").strip().lower()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    if name in allowed:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def cors_lines(origin: bytes | None, allowed: Sequence[str]) -> bytes:
    """Response headers for a browser's origin; empty where it is not allowed or there is none."""
    if origin is None or not allowed:
        return b""
    if "*" in allowed:
        return b"access-control-allow-origin: *\r\n"
    if origin.decode("latin-1") not in allowed:
        return b""
    return b"access-control-allow-origin: " + origin + b"\r\nvary: origin\r\n"


def preflight_lines(cors: bytes) -> bytes:
    if not cors:
        return b""
    return (
        b"access-control-allow-methods: POST, GET\r\n"
        b"access-control-allow-headers: content-type\r\n"
        b"access-control-max-age: 600\r\n"
    )


def response(status: int, content_type: bytes, body: bytes, *, extra: bytes = b"", close: bool = False) -> bytes:
    """A whole HTTP/1.1 response."""
    return b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n%b%b\r\n%b" % (
        status,
        REASONS[status],
        content_type,
        len(body),
        extra,
        b"connection: close\r\n" if close else b"",
        body,
    )
