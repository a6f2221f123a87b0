"""Celestia's JSON-RPC over a WebSocket, and news on its channels, with a client library of others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.gateway.lone import Lone, listen
from tests.gateway.web import send
from zg_node.da.client import Retrieved
from zg_node.errors import Unavailable
from zg_node.gateway import celestia_session
from zg_node.gateway import channel as gateway_channel
from zg_node.gateway import http as gateway_http
from zg_node.gateway.blobs import UnknownBlob
from zg_node.gateway.celestia_blob import CelestiaBlob, to_base64
from zg_node.gateway.celestia_session import SUBSCRIPTIONS_MAX
from zg_node.gateway.heights import NEWS_MAX, Heights

ONE, TWO = bytes(19) + b"rollup-one", bytes(19) + b"rollup-two"
TIMEOUT_S = 20.0


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(celestia_session, "POLL_S", 0.001)


def serve(home: Path, test: Callable[[Lone, ClientConnection], Awaitable[None]]) -> None:
    """Run a test over a WebSocket of a lone node."""

    async def main(lone: Lone, port: int) -> None:
        async with (
            asyncio.timeout(TIMEOUT_S),
            connect(f"ws://127.0.0.1:{port}", max_size=None, proxy=None) as socket,
        ):
            await test(lone, socket)

    listen(home, "celestia", main)


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)
PING = b"\x89\xfd" + bytes(4) + bytes(125)
PART = b"\x82\xfd" + bytes(4) + bytes(100)
"""Masked with zeros; the part announces 25 bytes more."""


async def ask(socket: ClientConnection, request_id: int, method: str, *parameters: object) -> None:
    body = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": parameters}
    await socket.send(orjson.dumps(body).decode())


async def cancel(socket: ClientConnection, request_id: int) -> None:
    """A notification: nothing answers it."""
    await socket.send(orjson.dumps({"jsonrpc": "2.0", "method": "xrpc.cancel", "params": [request_id]}).decode())


async def hear(socket: ClientConnection) -> Any:
    return orjson.loads(await socket.recv())


async def ended(socket: ClientConnection) -> int:
    """The code with which the node closes the connection, where it says nothing before."""
    with pytest.raises(ConnectionClosed) as closed:
        await socket.recv()
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


def blob(namespace: bytes, data: bytes) -> dict[str, object]:
    return CelestiaBlob(namespace, data).to_json(b"", -1)


def test_a_subscriber_hears_every_height_in_order_with_what_its_namespace_has(tmp_path: Path) -> None:
    async def test(lone: Lone, socket: ClientConnection) -> None:
        await ask(socket, 1, "blob.Subscribe", to_base64(ONE))
        channel = (await hear(socket))["result"]
        heard: list[tuple[int, list[str] | None]] = []
        answers: dict[int, int] = {}
        for number, namespace in enumerate((ONE, TWO, ONE), start=2):
            await ask(socket, number, "blob.Submit", [blob(namespace, b"data %d" % number)], {})
            while number not in answers:
                document = await hear(socket)
                if "id" in document:
                    answers[document["id"]] = document["result"]
                else:
                    heard.append(news(document, channel))
        while len(heard) < 3:
            heard.append(news(await hear(socket), channel))
        first, second, third = (answers[number] for number in (2, 3, 4))
        assert heard == [(first, [to_base64(b"data 2")]), (second, None), (third, [to_base64(b"data 4")])]

    serve(tmp_path, test)


def news(document: Any, channel: int) -> tuple[int, list[str] | None]:
    """(height, data of its blobs, null for none)."""
    assert document["method"] == "xrpc.ch.val"
    assert document["params"][0] == channel
    told = document["params"][1]
    blobs = told["Blobs"]
    return told["Height"], [one["data"] for one in blobs] if blobs is not None else None


def test_heights_in_great_number_are_told_in_parts(tmp_path: Path) -> None:
    async def test(lone: Lone, socket: ClientConnection) -> None:
        await ask(socket, 1, "blob.Subscribe", to_base64(ONE))
        channel = (await hear(socket))["result"]
        lone.ahead = 2 * NEWS_MAX + 10
        heard = [news(await hear(socket), channel) for _ in range(lone.ahead)]
        assert heard == [(height, None) for height in range(1, lone.ahead + 1)]

    serve(tmp_path, test)


def test_a_cancelled_subscription_is_closed_and_leaves_room(tmp_path: Path) -> None:
    async def test(lone: Lone, socket: ClientConnection) -> None:
        for number in range(SUBSCRIPTIONS_MAX):
            await ask(socket, number, "blob.Subscribe", to_base64(ONE))
            assert (await hear(socket))["result"] == number + 1
        await ask(socket, 99, "blob.Subscribe", to_base64(ONE))
        assert "at most" in (await hear(socket))["error"]["message"]
        await cancel(socket, 3)
        closed = await hear(socket)
        assert (closed["method"], closed["params"]) == ("xrpc.ch.close", [4])
        await ask(socket, 100, "blob.Subscribe", to_base64(ONE))
        assert (await hear(socket))["result"] == SUBSCRIPTIONS_MAX + 1

    serve(tmp_path, test)


def test_what_cannot_be_read_now_is_told_once_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(celestia_session, "RETRY_S", 0.001)

    async def test(lone: Lone, socket: ClientConnection) -> None:
        read, failures = lone.service.get, iter((Unavailable("too few rows"), UnknownBlob("no certificate")))

        async def get(commitment: bytes) -> Retrieved:
            for failure in failures:
                raise failure
            return await read(commitment)

        monkeypatch.setattr(lone.service, "get", get)
        await ask(socket, 1, "blob.Subscribe", to_base64(ONE))
        channel = (await hear(socket))["result"]
        await ask(socket, 2, "blob.Submit", [blob(ONE, b"data")], {})
        heard = [await hear(socket) for _ in range(2)]
        assert [news(one, channel) for one in heard if "method" in one] == [(1, [to_base64(b"data")])]

    serve(tmp_path, test)


def test_an_id_in_use_and_a_namespace_with_a_fault_are_refused(tmp_path: Path) -> None:
    async def test(lone: Lone, socket: ClientConnection) -> None:
        await ask(socket, 1, "blob.Subscribe", to_base64(ONE))
        assert "result" in await hear(socket)
        await ask(socket, 1, "blob.Subscribe", to_base64(TWO))
        assert "error" in await hear(socket)
        await ask(socket, 2, "blob.Subscribe")
        assert "error" in await hear(socket)

    serve(tmp_path, test)


def test_a_message_of_more_than_the_bound_ends_the_connection(tmp_path: Path) -> None:
    async def test(lone: Lone, socket: ClientConnection) -> None:
        await socket.send("x" * (3 << 20))
        assert await ended(socket) == 1009

    serve(tmp_path, test)


def test_a_message_that_is_not_sent_to_its_end_ends_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_channel, "MESSAGE_S", 0.05)

    async def test(lone: Lone, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HANDSHAKE + PART)
        async with asyncio.timeout(TIMEOUT_S):
            with suppress(ConnectionResetError):
                assert (await reader.read()).startswith(b"HTTP/1.1 101 ")
        writer.close()

    listen(tmp_path, "celestia", test)


def test_an_answer_for_which_there_is_no_room_ends_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_http, "HELD_MAX_BYTES", 100)

    async def test(lone: Lone, socket: ClientConnection) -> None:
        await ask(socket, 1, "no.Method")
        assert await ended(socket) == 1013

    serve(tmp_path, test)


def test_a_fault_of_ours_ends_the_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Heights, "news")

    async def test(lone: Lone, socket: ClientConnection) -> None:
        await ask(socket, 1, "blob.Subscribe", to_base64(ONE))
        assert (await hear(socket))["result"] == 1
        assert await ended(socket) == 1011

    serve(tmp_path, test)


def test_a_client_that_pings_and_takes_no_answers_is_disconnected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_channel, "SEND_S", 0.05)

    async def flood(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(PING * 1_000)
            await writer.drain()

    async def test(lone: Lone, port: int) -> None:
        _unread, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_024)
        writer.write(HANDSHAKE)
        async with asyncio.timeout(TIMEOUT_S):
            with pytest.raises(ConnectionError):
                await flood(writer)
        writer.close()

    listen(tmp_path, "celestia", test)


@pytest.mark.parametrize(
    "garbage", [b"\xff" * 100, b"\x81\x02hi", b"\x81\xff" + b"\xff" * 12, b"\x81\x82\0\0\0\0\xff\xfe"]
)
def test_frames_with_a_fault_end_the_connection(tmp_path: Path, garbage: bytes) -> None:
    async def test(lone: Lone, port: int) -> None:
        assert (await send(port, HANDSHAKE + garbage)).startswith(b"HTTP/1.1 101 ")

    listen(tmp_path, "celestia", test)


def test_where_nobody_speaks_it_a_websocket_is_refused(tmp_path: Path) -> None:
    async def test(lone: Lone, port: int) -> None:
        with pytest.raises(InvalidStatus):
            await connect(f"ws://127.0.0.1:{port}", proxy=None)

    listen(tmp_path, "altda", test)
