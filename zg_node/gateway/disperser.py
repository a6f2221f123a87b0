"""0G's disperser over gRPC, service `disperser.Disperser`: DisperseBlob, GetBlobStatus, RetrieveBlob.

    DisperseBlob  {data 1}                       → {status 1, request id 2}
    GetBlobStatus {request id 1}                 → {status 1, info 2 {header 1 {root 1, epoch 2, quorum 3}}}
    RetrieveBlob  {root 1, epoch 2, quorum 3}    → {data 1}

A storage root is a commitment of ours, and says alone which bytes are meant. A request id is the number of a put in
this process: after a restart it is unknown, and the client disperses again. A blob that is certified already costs
nothing then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Final, TypeAlias

import grpc

from zg_node.errors import InvalidConfig, InvalidMessage, InvalidRequest, Unavailable
from zg_node.gateway.blobs import Blobs, Progress, UnknownBlob
from zg_node.gateway.protobuf import bytes_field, decode, encode, number_field

SERVICE: Final = "disperser.Disperser"
MESSAGE_SLACK_BYTES: Final = 1_024
"""Of a message around the blob."""
CALLS_MAX: Final = 16
"""At one time; the others are refused, since each may hold a blob."""
CLOSE_S: Final = 1.0
ROOT_BYTES: Final = 32
REQUEST_ID_BYTES: Final = 8

Call: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"


class Status(IntEnum):
    """Of a blob."""

    UNKNOWN = 0
    PROCESSING = 1
    CONFIRMED = 2
    FAILED = 3
    FINALIZED = 4
    INSUFFICIENT_SIGNATURES = 5


STATUS: Final = {
    Progress.UNDER_WAY: Status.PROCESSING,
    Progress.UNSIGNED: Status.INSUFFICIENT_SIGNATURES,
    Progress.FAILED: Status.FAILED,
    Progress.FINAL: Status.FINALIZED,
}


class Disperser:
    """The three calls, from message to message."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def disperse(self, message: bytes) -> bytes:
        """Raises InvalidMessage, InvalidRequest, Unavailable."""
        number = self._blobs.begin(bytes_field(decode(message), 1))
        return encode(((1, int(Status.PROCESSING)), (2, number.to_bytes(REQUEST_ID_BYTES, "big"))))

    async def status(self, message: bytes) -> bytes:
        """Raises InvalidMessage, InvalidRequest."""
        request_id = bytes_field(decode(message), 1)
        if len(request_id) != REQUEST_ID_BYTES:
            raise InvalidRequest(f"a request id of {len(request_id)} bytes: it has {REQUEST_ID_BYTES}")
        progress, certified = self._blobs.progress(int.from_bytes(request_id, "big"))
        if certified is None:
            return encode(((1, int(STATUS[progress])),))
        blob = certified.blob
        header = encode(((1, blob.commitment), (2, blob.epoch), (3, blob.quorum)))
        return encode(((1, int(STATUS[progress])), (2, encode(((1, header),)))))

    async def retrieve(self, message: bytes) -> bytes:
        """Raises InvalidMessage, InvalidRequest, Unavailable."""
        fields = decode(message)
        root = bytes_field(fields, 1)
        number_field(fields, 2)
        number_field(fields, 3)
        if len(root) != ROOT_BYTES:
            raise InvalidRequest(f"a storage root of {len(root)} bytes: it has {ROOT_BYTES}")
        return encode(((1, await self._blobs.get(root)),))


class DisperserServer:
    """The gRPC listener. Create, start and close it on the event loop."""

    def __init__(self, blobs: Blobs, host: str, port: int) -> None:
        """`port` 0 takes a free one."""
        disperser = Disperser(blobs)
        size = blobs.max_bytes + MESSAGE_SLACK_BYTES
        self._server = grpc.aio.server(
            options=(
                ("grpc.max_receive_message_length", size),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),
            ),
            maximum_concurrent_rpcs=CALLS_MAX,
        )
        calls = {
            "DisperseBlob": disperser.disperse,
            "GetBlobStatus": disperser.status,
            "RetrieveBlob": disperser.retrieve,
        }
        handlers = {name: grpc.unary_unary_rpc_method_handler(_answering(call)) for name, call in calls.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            self.port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise InvalidConfig(f"cannot listen on {address}: choose another gateway.disperser_port") from error

    async def start(self) -> None:
        """Serve."""
        await self._server.start()

    async def close(self) -> None:
        """Let calls under way end for a moment, then end them."""
        await self._server.stop(CLOSE_S)


def _answering(call: Callable[[bytes], Awaitable[bytes]]) -> Callable[[bytes, Call], Awaitable[bytes]]:
    """`call` with its errors as gRPC's statuses."""

    async def answer(message: bytes, context: Call) -> bytes:
        try:
            return await call(message)
        except UnknownBlob as error:
            await context.abort(grpc.StatusCode.NOT_FOUND, str(error))
        except (InvalidMessage, InvalidRequest) as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except Unavailable as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        raise AssertionError("an aborted call raises")

    return answer
