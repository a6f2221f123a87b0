"""What one client may take from the others: turns of the event loop, and memory for answers."""

from __future__ import annotations

import asyncio

import orjson

from tests.rpc.doubles import MemoryChain, make_node
from tests.rpc.harness import connected, post, request, run, serving, until, websocket
from tests.rpc.sink import HANDSHAKE, open_connection
from zg_node.rpc.budget import AnswerBudget
from zg_node.rpc.limits import Limits, Listener
from zg_node.rpc.server import RpcServer

PING = b"\x89\x84" + bytes(4) + b"ping"
"""A masked frame with a mask of zeros."""
PONG = b"\x8a\x04ping"


def test_a_flood_of_frames_is_looked_at_in_turns() -> None:
    async def main() -> None:
        server = RpcServer(make_node(MemoryChain()), Limits(), Listener(port=0))
        connection, sink = open_connection(server)
        connection.data_received(HANDSHAKE)
        connection.data_received(PING * 30_000)
        answered = sink.written.count(PONG)
        assert 0 < answered < 1_000
        assert not sink.reading
        await asyncio.sleep(0)
        assert answered < sink.written.count(PONG) < 3_000
        await until(lambda: sink.reading)
        assert sink.written.count(PONG) == 30_000
        await server.close()

    run(main())


def test_pipelined_requests_wait_for_room_and_for_their_turn() -> None:
    async def main() -> None:
        server = RpcServer(make_node(MemoryChain()), Limits(), Listener(port=0))
        connection, sink = open_connection(server)
        asked = [post(request("eth_chainId", request_id=number)) for number in range(2_000)]
        connection.data_received(b"".join(asked))
        assert 0 < sink.written.count(b"HTTP/1.1 200") < 1_000
        await until(lambda: sink.reading)
        ids = [orjson.loads(part.partition(b"\r\n\r\n")[2])["id"] for part in sink.written.split(b"HTTP/1.1 ")[1:]]
        assert ids == list(range(2_000))
        await server.close()

    run(main())


def test_batches_are_cut_when_the_answers_of_all_clients_take_too_much_memory() -> None:
    async def main() -> None:
        async with serving(limits=Limits(answers_max_bytes=2_000)) as server, connected(server) as client:
            batch = b"[" + b",".join([request("rpc_modules")] * 50) + b"]"
            codes = [answer.get("error", {}).get("code") for answer in (await client.ask(post(batch))).json]
            assert codes[0] is None
            assert codes[-1] == -32003
            assert server.budget.used_bytes == 0
            assert "result" in await client.call("rpc_modules")

    run(main())


def test_a_stalled_subscriber_is_disconnected_when_others_need_the_memory() -> None:
    async def main() -> None:
        chain = MemoryChain()
        limits = Limits(answers_max_bytes=1_500_000)
        async with serving(chain, limits=limits) as server, websocket(server) as stalled, connected(server) as other:
            for _ in range(100):
                await stalled.call("eth_subscribe", "newHeads")
            stalled.reader._transport.pause_reading()  # type: ignore[attr-defined]
            while server.connections == 2:
                chain.grow()
                await asyncio.sleep(0)
            assert server.budget.used_bytes == 0
            assert "result" in await other.call("eth_chainId")

    run(main())


def test_responses_that_wait_for_an_earlier_one_count_too() -> None:
    async def main() -> None:
        server = RpcServer(make_node(MemoryChain()), Limits(answers_max_bytes=100_000), Listener(port=0))
        connection, sink = open_connection(server)
        slow = post(request("eth_sendRawTransactionSync", "0x0102"))
        connection.data_received(slow + post(request("rpc_modules")) * 63)
        assert 0 < server.budget.used_bytes < 100_000
        large = post(b"[" + b",".join([request("nothing", request_id="x" * 30_000)] * 4) + b"]")
        other, answered = open_connection(server)
        other.data_received(slow + large)
        await until(lambda: answered.closed)
        other.connection_lost(None)
        connection.connection_lost(None)
        assert server.budget.used_bytes == 0
        assert not sink.closed
        await server.close()

    run(main())


def test_the_budget_counts_every_holder_once() -> None:
    budget = AnswerBudget(10)
    seen = []
    first, second = budget.change(0, 6), budget.change(0, 4)
    seen.append(budget.exceeded)
    first = budget.change(first, 7)
    seen.append(budget.exceeded)
    budget.change(first, 0)
    assert seen == [False, True]
    assert budget.used_bytes == second
