"""Exceptions of the one error tree, as JSON-RPC error objects.

code     meaning                                       exception
-32700   not JSON                                      (dispatch)
-32600   not a request, batch empty or too large       (dispatch)
-32601   no such method                                InvalidRequest
-32602   parameters                                    InvalidRequest
-32603   our fault: logged here, no detail outside     anything else
-32000   geth's default: unknown block, pruned state   InvalidRequest, InvalidTransaction, Unavailable
-32002   it waited too long for a worker               InvalidRequest
-32003   the batch's answer would be too large         (dispatch)
-32005   a queue is full                               InvalidRequest
3        execution reverted, with data                 Reverted
4        not included in time, with the hash           SyncTimeout
4444     block from before this node's first one       InvalidRequest   EIP-4444
"""

from __future__ import annotations

import logging
from binascii import hexlify

import orjson

from zg_node.errors import InvalidRequest, InvalidTransaction, Reverted, Unavailable, ZgError

log = logging.getLogger(__name__)

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
SERVER_ERROR = -32000
TIMED_OUT = -32002
RESPONSE_TOO_LARGE = -32003
LIMIT_EXCEEDED = -32005
HISTORY_PRUNED = 4444


class SyncTimeout(InvalidRequest):
    """EIP-7966: the transaction is in the pool, and no block took it in time."""

    def __init__(self, message: str, tx_hash: bytes) -> None:
        super().__init__(message, 4)
        self.tx_hash = tx_hash


def limit_exceeded() -> InvalidRequest:
    """A queue is full: the client should come back later."""
    return InvalidRequest("limit exceeded", LIMIT_EXCEEDED)


def history_pruned(first: int) -> InvalidRequest:
    """A block is wanted from before `first`, where this node's blocks begin."""
    return InvalidRequest(f"pruned history unavailable: the blocks of this node begin at {first}", HISTORY_PRUNED)


def timed_out() -> InvalidRequest:
    """The work waited for a free worker longer than the request may last."""
    return InvalidRequest("request timed out", TIMED_OUT)


def error_object(code: int, message: str, data: bytes | None = None) -> bytes:
    """`{"code", "message"}`, and `"data"` in hex where there is some."""
    encoded = b'{"code":%d,"message":%b' % (code, orjson.dumps(message.encode("utf-8", "replace").decode()))
    if data is not None:
        encoded += b',"data":"0x' + hexlify(data) + b'"'
    return encoded + b"}"


def error_of(error: BaseException, method: str) -> bytes:
    """The error object for what a handler raised; a fault of ours is logged and hidden."""
    match error:
        case Reverted():
            return error_object(error.code, str(error), error.data)
        case SyncTimeout():
            return error_object(error.code, str(error), error.tx_hash)
        case InvalidRequest():
            return error_object(error.code, str(error))
        case InvalidTransaction():
            return error_object(error.code, str(error))
        case Unavailable():
            return error_object(SERVER_ERROR, str(error))
    kind = "known" if isinstance(error, ZgError) else "unexpected"
    log.error("rpc handler failed method=%s kind=%s", method, kind, exc_info=error)
    return error_object(INTERNAL_ERROR, "internal error")
