"""0G's disperser over gRPC, service `disperser.Disperser`: DisperseBlob, GetBlobStatus, RetrieveBlob.

    DisperseBlob  {data 1}                       → {status 1, request id 2}
    GetBlobStatus {request id 1}                 → {status 1, info 2 {header 1 {root 1, epoch 2, quorum 3}}}
    RetrieveBlob  {root 1, epoch 2, quorum 3}    → {data 1}

A storage root is a commitment of ours. It says alone which bytes are meant; epoch and quorum have to be those of a
certificate all the same, as clients of 0G expect.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import grpc

from zg_node.errors import InvalidConfig, InvalidMessage, InvalidRequest, Unavailable
from zg_node.gateway.blobs import Blobs, UnknownBlob
from zg_node.gateway.locator import Locator
from zg_node.gateway.protobuf import bytes_field, decode, encode, number_field
from zg_node.gateway.requests import Requests, Status

log = logging.getLogger("zg.gateway")

SERVICE: Final = "disperser.Disperser"
MESSAGE_SLACK_BYTES: Final = 1_024
"""Of a message around the blob."""
CALLS_MAX: Final = 16
"""At one time; the others are refused, since each may hold a blob."""
CONNECTIONS_MAX: Final = 128
CONNECTION_CALLS_MAX: Final = 4
"""At one time on a connection; the others wait in the client, which cannot take every place by calls without an end."""
CONNECTION_MAX_MS: Final = 300_000
"""Then a client has to connect again, and LAST_CALLS_MS later what it has not ended is ended for it."""
LAST_CALLS_MS: Final = 60_000
CLOSE_S: Final = 1.0
ROOT_BYTES: Final = 32

Call: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"


class Disperser:
    """The three calls, from message to message."""

    def __init__(self, blobs: Blobs, requests: Requests) -> None:
        self._blobs = blobs
        self._requests = requests

    async def disperse(self, message: bytes) -> bytes:
        """Raises InvalidMessage, InvalidRequest, Unavailable."""
        request_id = self._requests.add(self._blobs.begin(bytes_field(decode(message), 1)))
        return encode(((1, int(Status.PROCESSING)), (2, request_id)))

    async def status(self, message: bytes) -> bytes:
        """Raises InvalidMessage, UnknownBlob."""
        outcome = self._requests.find(bytes_field(decode(message), 1))
        if outcome is None:
            raise UnknownBlob("no such request, or it is long over: disperse the blob again")
        info = b""
        if (locator := outcome.locator) is not None:
            header = encode(((1, locator.commitment), (2, locator.epoch), (3, locator.quorum)))
            info = encode(((1, header),))
        return encode(((1, int(outcome.status)), (2, info)))

    async def retrieve(self, message: bytes) -> bytes:
        """Raises InvalidMessage, InvalidRequest, Unavailable."""
        fields = decode(message)
        locator = Locator(bytes_field(fields, 1), number_field(fields, 2), number_field(fields, 3))
        if len(locator.commitment) != ROOT_BYTES:
            raise InvalidRequest(f"a storage root of {len(locator.commitment)} bytes: it has {ROOT_BYTES}")
        return encode(((1, await self._blobs.get_at(locator)),))


class DisperserServer:
    """The gRPC listener. Create, start and close it on the event loop."""

    def __init__(self, blobs: Blobs, requests: Requests, host: str, port: int) -> None:
        """`port` 0 takes a free one. Raises InvalidConfig."""
        disperser = Disperser(blobs, requests)
        size = blobs.max_bytes + MESSAGE_SLACK_BYTES
        self._server = grpc.aio.server(
            options=(
                ("grpc.max_receive_message_length", size),
                ("grpc.max_send_message_length", -1),
                ("grpc.max_allowed_incoming_connections", CONNECTIONS_MAX),
                ("grpc.max_concurrent_streams", CONNECTION_CALLS_MAX),
                ("grpc.max_connection_age_ms", CONNECTION_MAX_MS),
                ("grpc.max_connection_age_grace_ms", LAST_CALLS_MS),
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
            status, reason = grpc.StatusCode.NOT_FOUND, str(error)
        except (InvalidMessage, InvalidRequest) as error:
            status, reason = grpc.StatusCode.INVALID_ARGUMENT, str(error)
        except Unavailable as error:
            status, reason = grpc.StatusCode.UNAVAILABLE, str(error)
        except Exception:  # a fault of ours ends this call, and is written down
            log.exception("gateway call failed")
            status, reason = grpc.StatusCode.INTERNAL, "internal error"
        await context.abort(status, reason)
        raise AssertionError("an aborted call raises")

    return answer
