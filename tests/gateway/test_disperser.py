"""0G's disperser over gRPC, as a client of its service definition calls it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import grpc
import pytest

from tests.da.cluster import MemoryLedger
from tests.gateway.lone import Lone, listen
from tests.gateway.web import send
from zg_node.gateway import disperser
from zg_node.gateway.protobuf import bytes_field, decode, encode, number_field
from zg_node.gateway.requests import Outcome, Requests, Status

BLOB = Random(3).randbytes(100_000)
TIMEOUT_S = 20.0

Ask = Callable[[str, bytes], Awaitable[bytes]]
"""(method, message) → answer. Raises AioRpcError."""


@asynccontextmanager
async def client(port: int) -> AsyncIterator[Ask]:
    """A client on a connection of its own."""
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as channel:

        async def ask(method: str, message: bytes) -> bytes:
            answer = await channel.unary_unary(f"/disperser.Disperser/{method}")(message, timeout=TIMEOUT_S)
            assert isinstance(answer, bytes)
            return answer

        yield ask


def serve(home: Path, test: Callable[[Lone, Ask], Awaitable[None]]) -> None:
    """Run a test with a client of a lone node."""

    async def main(lone: Lone, port: int) -> None:
        async with client(port) as ask:
            await test(lone, ask)

    listen(home, "disperser", main)


async def status(ask: Ask, request_id: bytes) -> tuple[int, bytes]:
    """(status, info)."""
    fields = decode(await ask("GetBlobStatus", encode([(1, request_id)])))
    return number_field(fields, 1), bytes_field(fields, 2)


async def settled(ask: Ask, request_id: bytes) -> tuple[int, bytes]:
    """The status once it is no longer PROCESSING."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            reached, info = await status(ask, request_id)
            if reached != Status.PROCESSING:
                return reached, info
            await asyncio.sleep(0)


async def refusal(ask: Ask, method: str, message: bytes) -> grpc.aio.AioRpcError:
    """The error that the call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await ask(method, message)
    return failure.value


async def disperse(ask: Ask, data: bytes) -> bytes:
    """The request id."""
    fields = decode(await ask("DisperseBlob", encode([(1, data)])))
    assert number_field(fields, 1) == Status.PROCESSING
    return bytes_field(fields, 2)


def test_a_dispersed_blob_becomes_final_and_is_retrieved_by_its_header(tmp_path: Path) -> None:
    async def test(lone: Lone, ask: Ask) -> None:
        reached, info = await settled(ask, await disperse(ask, BLOB))
        assert reached == Status.FINALIZED
        header = decode(bytes_field(decode(info), 1))
        blob = lone.ledger.certificates[0].blob
        assert bytes_field(header, 1) == blob.commitment
        assert (number_field(header, 2), number_field(header, 3)) == (blob.epoch, blob.quorum)
        found = decode(await ask("RetrieveBlob", encode([(1, blob.commitment), (2, blob.epoch), (3, blob.quorum)])))
        assert bytes_field(found, 1) == BLOB

    serve(tmp_path, test)


def test_a_blob_of_the_largest_size_passes_both_ways(tmp_path: Path) -> None:
    async def test(lone: Lone, ask: Ask) -> None:
        data = bytes(1 << 20)
        await settled(ask, await disperse(ask, data))
        root = lone.ledger.certificates[0].blob.commitment
        assert bytes_field(decode(await ask("RetrieveBlob", encode([(1, root)]))), 1) == data

    serve(tmp_path, test)


def test_a_request_is_known_after_a_restart(tmp_path: Path) -> None:
    told: list[tuple[int, bytes]] = []
    given: list[bytes] = []

    async def first(lone: Lone, ask: Ask) -> None:
        given.append(await disperse(ask, BLOB))
        told.append(await settled(ask, given[0]))

    async def second(lone: Lone, ask: Ask) -> None:
        assert await status(ask, given[0]) == told[0]

    serve(tmp_path, first)
    serve(tmp_path, second)


def test_a_blob_is_not_had_by_another_epoch_or_quorum(tmp_path: Path) -> None:
    async def test(lone: Lone, ask: Ask) -> None:
        await settled(ask, await disperse(ask, BLOB))
        root = lone.ledger.certificates[0].blob.commitment
        for field in (2, 3):
            refused = await refusal(ask, "RetrieveBlob", encode([(1, root), (field, 1)]))
            assert refused.code() is grpc.StatusCode.NOT_FOUND

    serve(tmp_path, test)


def test_a_put_that_nobody_certifies_is_failed(tmp_path: Path) -> None:
    async def test(lone: Lone, ask: Ask) -> None:
        lone.ledger.sets.clear()
        reached, info = await settled(ask, await disperse(ask, BLOB))
        assert (reached, info) == (Status.FAILED, b"")

    serve(tmp_path, test)


@pytest.mark.parametrize(
    ("method", "message", "code"),
    [
        ("DisperseBlob", b"", grpc.StatusCode.INVALID_ARGUMENT),
        ("DisperseBlob", b"\x0a\xff", grpc.StatusCode.INVALID_ARGUMENT),
        ("DisperseBlob", encode([(1, bytes((1 << 20) + 1))]), grpc.StatusCode.INVALID_ARGUMENT),
        ("DisperseBlob", encode([(1, bytes(1 << 21))]), grpc.StatusCode.RESOURCE_EXHAUSTED),
        ("GetBlobStatus", b"", grpc.StatusCode.NOT_FOUND),
        ("GetBlobStatus", encode([(1, bytes(16))]), grpc.StatusCode.NOT_FOUND),
        ("GetBlobStatus", encode([(1, 16)]), grpc.StatusCode.INVALID_ARGUMENT),
        ("RetrieveBlob", encode([(1, b"short")]), grpc.StatusCode.INVALID_ARGUMENT),
        ("RetrieveBlob", encode([(1, bytes(31) + b"\1")]), grpc.StatusCode.NOT_FOUND),
        ("DisperseBlobAuthenticated", b"", grpc.StatusCode.UNIMPLEMENTED),
    ],
)
def test_a_call_with_a_fault_is_told_which(tmp_path: Path, method: str, message: bytes, code: grpc.StatusCode) -> None:
    async def test(lone: Lone, ask: Ask) -> None:
        assert (await refusal(ask, method, message)).code() is code

    serve(tmp_path, test)


def test_a_fault_of_ours_is_an_internal_error_without_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(requests: Requests, request_id: bytes) -> Outcome:
        raise OSError(28, "no space left", str(tmp_path))

    monkeypatch.setattr(Requests, "find", fail)

    async def test(lone: Lone, ask: Ask) -> None:
        refused = await refusal(ask, "GetBlobStatus", encode([(1, b"request")]))
        assert (refused.code(), refused.details()) == (grpc.StatusCode.INTERNAL, "internal error")

    serve(tmp_path, test)


def test_a_connection_ends_at_its_age_and_the_client_connects_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disperser, "CONNECTION_MAX_MS", 300)

    async def main(lone: Lone, port: int) -> None:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel, asyncio.timeout(TIMEOUT_S):
            call = channel.unary_unary("/disperser.Disperser/DisperseBlob")
            for data in (b"first", b"second"):
                await call(encode([(1, data)]))
                await channel.wait_for_state_change(grpc.ChannelConnectivity.READY)

    listen(tmp_path, "disperser", main)


def test_a_call_that_does_not_end_is_ended_a_while_after_the_age_of_its_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disperser, "CONNECTION_MAX_MS", 300)
    monkeypatch.setattr(disperser, "LAST_CALLS_MS", 300)

    async def test(lone: Lone, ask: Ask) -> None:
        refused = await refusal(ask, "RetrieveBlob", encode([(1, bytes(32))]))
        assert refused.code() is grpc.StatusCode.UNAVAILABLE

    async def never(ledger: MemoryLedger, commitment: bytes) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(MemoryLedger, "certified", never)
    serve(tmp_path, test)


def test_connections_past_the_bound_are_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disperser, "CONNECTIONS_MAX", 1)

    async def test(lone: Lone, port: int) -> None:
        first, held = await asyncio.open_connection("127.0.0.1", port)
        await first.readexactly(9)  # the server has taken it
        assert await send(port, b"") == b""
        held.close()

    listen(tmp_path, "disperser", test)


UNENDED = 20


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Of HTTP/2."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def literal(name: bytes, value: bytes) -> bytes:
    """A header of HPACK, spelt out."""
    return b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
CALL = b"".join(
    literal(name, value)
    for name, value in (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", b"/disperser.Disperser/DisperseBlob"),
        (b":authority", b"localhost"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    )
)


def test_one_connection_with_calls_that_do_not_end_leaves_room_for_others(tmp_path: Path) -> None:
    async def test(lone: Lone, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        streams = range(1, 2 * UNENDED, 2)
        writer.write(PREFACE + b"".join(frame(1, 4, stream, CALL) for stream in streams))
        writer.write(b"".join(frame(0, 0, stream, b"\0\0\0\0\x09part") for stream in streams))
        writer.write(frame(6, 0, 0, b"question"))
        async with asyncio.timeout(TIMEOUT_S):
            await reader.readuntil(frame(6, 1, 0, b"question"))  # all of it has been read
        async with client(port) as ask:
            await disperse(ask, BLOB)
        writer.close()

    listen(tmp_path, "disperser", test)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 1_000,
        PREFACE + frame(1, 4, 1, b"\xff" * 50),
        PREFACE + b"\xff\xff\xff\0\0" + bytes(4),
        PREFACE + frame(0, 1, 9, b"a stream that nobody began"),
    ],
)
def test_frames_with_a_fault_leave_the_listener_as_it_was(tmp_path: Path, garbage: bytes) -> None:
    async def test(lone: Lone, port: int) -> None:
        await send(port, garbage)
        async with client(port) as ask:
            await disperse(ask, BLOB)

    listen(tmp_path, "disperser", test)
