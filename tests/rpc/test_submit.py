"""The hot path: order, threads, back-pressure."""

from __future__ import annotations

import asyncio
import threading

import orjson

from tests.rpc.doubles import MemoryChain
from tests.rpc.harness import HttpClient, connected, post, request, run, serving, until
from zg_node.errors import Unavailable
from zg_node.rpc.limits import Limits
from zg_node.rpc.submit import outcome_json
from zg_node.types.hashing import keccak


def raw(number: int) -> str:
    return f"0x{number:08x}"


def hash_of(number: int) -> str:
    return "0x" + keccak(number.to_bytes(4, "big")).hex()


def batch(first: int, count: int) -> bytes:
    items = (request("eth_sendRawTransaction", raw(n), request_id=n) for n in range(first, first + count))
    return b"[" + b",".join(items) + b"]"


def test_an_outcome_is_a_result_or_an_error() -> None:
    assert orjson.loads(outcome_json('"a"', b"\x01" * 32)) == {"jsonrpc": "2.0", "id": "a", "result": "0x" + "01" * 32}
    refused = orjson.loads(outcome_json("1", (-32000, 'a "quoted" reason')))
    assert refused["error"] == {"code": -32000, "message": 'a "quoted" reason'}


def test_answers_keep_the_order_of_the_requests_on_each_connection() -> None:
    async def main() -> None:
        async with serving() as server:

            async def client(index: int) -> None:
                async with connected(server) as one:
                    numbers = range(index * 1000, index * 1000 + 100)
                    one.send(b"".join(post(request("eth_sendRawTransaction", raw(n), request_id=n)) for n in numbers))
                    one.send(post(batch(index * 1000 + 100, 100)))
                    for n in numbers:
                        assert (await one.read()).json == {"jsonrpc": "2.0", "id": n, "result": hash_of(n)}
                    answers = (await one.read()).json
                    assert [a["result"] for a in answers] == [hash_of(index * 1000 + 100 + k) for k in range(100)]

            await asyncio.gather(*(client(index) for index in range(8)))

    run(main())


def test_a_connections_transactions_reach_the_pool_in_their_order() -> None:
    async def main() -> None:
        chain = MemoryChain()
        async with serving(chain) as server:

            async def client(index: int) -> None:
                async with connected(server) as one:
                    for part in range(10):
                        one.send(post(batch(index * 10_000 + part * 100, 100)))
                    for _ in range(10):
                        await one.read()

            await asyncio.gather(*(client(index) for index in range(4)))
        order = [int.from_bytes(encoded, "big") for encoded in chain.pool.accepted]
        assert len(order) == 4_000
        for index in range(4):
            mine = [n for n in order if n // 10_000 == index]
            assert mine == sorted(mine)

    run(main())


def test_few_transactions_are_validated_on_the_loop_and_many_in_threads() -> None:
    async def main() -> None:
        chain = MemoryChain()
        async with serving(chain) as server, connected(server) as client:
            await client.call("eth_sendRawTransaction", raw(1))
            assert chain.pool.threads == {threading.current_thread().name}
            chain.pool.threads.clear()
            await client.ask(post(batch(0, 100)))
            assert all(name.startswith("rpc-submit") for name in chain.pool.threads)
            assert chain.pokes == 2

    run(main())


def test_a_full_queue_answers_limit_exceeded_and_recovers() -> None:
    async def main() -> None:
        chain = MemoryChain()
        chain.pool.gate = threading.Event()
        limits = Limits(submit_queue_max=150)
        async with serving(chain, limits=limits) as server, connected(server) as first, connected(server) as second:
            first.send(post(batch(0, 100)))
            await until(lambda: server.transactions_waiting >= 100)
            refused = (await second.ask(post(batch(100, 100)))).json
            assert {one["error"]["code"] for one in refused} == {-32005}
            assert [one["id"] for one in refused] == list(range(100, 200))
            chain.pool.gate.set()
            assert all("result" in one for one in (await first.read()).json)
            assert await accepted(second, 200)
            assert server.transactions_waiting == 0

    run(main())


async def accepted(client: HttpClient, number: int) -> bool:
    answer = await client.call("eth_sendRawTransaction", raw(number))
    return bool(answer["result"] == hash_of(number))


def test_a_pool_that_fails_still_answers_everybody() -> None:
    async def main() -> None:
        chain = MemoryChain()

        def unavailable(*arguments: object) -> None:
            raise Unavailable("the state is closing")

        def broken(*arguments: object) -> None:
            raise ZeroDivisionError("secret")

        async with serving(chain) as server, connected(server) as client:
            for add, code, message in (
                (unavailable, -32000, "the state is closing"),
                (broken, -32603, "internal error"),
            ):
                chain.pool.add = add  # type: ignore[assignment]
                for count in (1, 50):
                    answers = (await client.ask(post(batch(0, count)))).json
                    assert {(a["error"]["code"], a["error"]["message"]) for a in answers} == {(code, message)}

    run(main())


def test_unusual_but_valid_calls_take_the_general_path() -> None:
    """A null id is a call, an absent one a notification; null parameters are missing ones."""

    async def main() -> None:
        chain = MemoryChain()
        async with serving(chain) as server, connected(server) as client:
            answer = (await client.ask(post(request("eth_sendRawTransaction", raw(5), request_id=None)))).json
            assert answer == {"jsonrpc": "2.0", "id": None, "result": hash_of(5)}
            notification = orjson.dumps({"jsonrpc": "2.0", "method": "eth_sendRawTransaction", "params": [raw(6)]})
            assert (await client.ask(post(notification))).body == b""
            assert chain.pool.accepted == [bytes.fromhex(raw(n)[2:]) for n in (5, 6)]
            missing = await client.call("eth_sendRawTransaction", None)
            assert missing["error"] == {"code": -32602, "message": "missing value for required argument 0"}
            mixed = (
                b"[" + request("eth_chainId", request_id=1) + b"," + request("eth_sendRawTransaction", raw(7)) + b"]"
            )
            assert [a["result"] for a in (await client.ask(post(mixed))).json] == [hex(1_660_200), hash_of(7)]

    run(main())
