"""Mutated requests and frames, cut at random: whatever comes, the server answers or ends the connection, and lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from unittest import TestCase

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rpc.doubles import MemoryChain, make_node
from tests.rpc.harness import post, request, run
from tests.rpc.sink import HANDSHAKE, Sink, open_connection
from zg_node.rpc.connection import Connection
from zg_node.rpc.limits import Limits, Listener
from zg_node.rpc.server import RpcServer

BODIES = [
    request("eth_chainId"),
    request("eth_getBalance", "0x" + "11" * 20, "latest"),
    request("eth_sendRawTransaction", "0x0102"),
    b"[" + b",".join([request("eth_getBlockByNumber", "latest", True), request("eth_nothing"), b"1"]) + b"]",
    orjson.dumps([orjson.loads(request("eth_sendRawTransaction", f"0x{n:04x}")) for n in range(12)]),
]
SEEDS = [post(body) for body in BODIES] + [
    post(BODIES[0], headers="expect: 100-continue\r\n"),
    post(b"", headers="transfer-encoding: chunked\r\n").replace(b"content-length: 0\r\n", b"")
    + b"3\r\n{}\n\r\n0\r\n\r\n",
    b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n",
    b"OPTIONS / HTTP/1.1\r\nhost: localhost\r\norigin: x\r\n\r\n",
    HANDSHAKE,
]


def feed(connection: Connection, sink: Sink, data: bytes, cuts: list[int]) -> None:
    """Deliver `data` in pieces, as a socket would: nothing after the end."""
    borders = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in pairwise(borders):
        if not sink.closed:
            connection.data_received(data[start:end])


def mutate(data: bytes, changes: list[tuple[int, int, int]]) -> bytes:
    """Replace, insert or delete bytes."""
    mutated = bytearray(data)
    for position, value, kind in changes:
        place = position % (len(mutated) + 1)
        if kind == 0:
            mutated[place : place + 1] = bytes((value,))
        elif kind == 1:
            mutated[place:place] = bytes((value,))
        else:
            del mutated[place : place + value]
    return bytes(mutated)


def serve(attack: Callable[[RpcServer], None]) -> None:
    """Run `attack` against a server, then check that the server still answers somebody else."""

    async def main() -> None:
        server = RpcServer(make_node(MemoryChain()), Limits(body_max_bytes=10_000), Listener(port=0))
        with TestCase().assertNoLogs("zg_node", "ERROR"):
            attack(server)
            for _ in range(5):
                await asyncio.sleep(0)
        connection, sink = open_connection(server)
        connection.data_received(post(request("eth_chainId", request_id="alive")))
        assert b'"id":"alive","result":"0x195528"' in sink.written
        await server.close()

    run(main())


changes = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 255), st.integers(0, 2)), max_size=6)
cuts = st.lists(st.integers(0, 2000), max_size=8)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(SEEDS), changes), min_size=1, max_size=4), cuts)
def test_mutated_requests_never_break_the_server(parts: list[tuple[bytes, Any]], where: list[int]) -> None:
    def attack(server: RpcServer) -> None:
        connection, sink = open_connection(server)
        feed(connection, sink, b"".join(mutate(seed, edits) for seed, edits in parts), where)

    serve(attack)


def frame(opcode: int, payload: bytes, final: bool) -> bytes:
    """A masked client frame with a mask of zeros."""
    head = bytes((opcode | (0x80 if final else 0),))
    size = len(payload)
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return head + length + bytes(4) + payload


frames = st.builds(
    frame,
    st.sampled_from([0, 1, 1, 1, 2, 8, 9, 10, 3]),
    st.sampled_from([*BODIES, b"", b"\xff", b"\x03\xe8"]),
    st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(frames, changes), min_size=1, max_size=5), cuts)
def test_mutated_frames_never_break_the_server(parts: list[tuple[bytes, Any]], where: list[int]) -> None:
    def attack(server: RpcServer) -> None:
        connection, sink = open_connection(server)
        connection.data_received(HANDSHAKE)
        assert sink.written.startswith(b"HTTP/1.1 101")
        feed(connection, sink, b"".join(mutate(one, edits) for one, edits in parts), where)

    serve(attack)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SEEDS[:5]), cuts)
def test_an_unharmed_request_is_answered_however_it_is_cut(seed: bytes, where: list[int]) -> None:
    answers: list[bytes] = []
    for pieces in (where, []):

        async def main(pieces: list[int] = pieces) -> None:
            server = RpcServer(make_node(MemoryChain()), Limits(), Listener(port=0))
            connection, sink = open_connection(server)
            feed(connection, sink, seed, pieces)
            while not sink.written:  # noqa: ASYNC110 - validation may have gone to a thread
                await asyncio.sleep(0)
            answers.append(bytes(sink.written))
            await server.close()

        run(main())
    assert answers[0] == answers[1]
    assert answers[0].startswith(b"HTTP/1.1 200 OK")
