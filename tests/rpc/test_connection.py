"""HTTP on real sockets: hostile bytes, order, limits, pages."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import orjson
import pytest

from tests.rpc.doubles import MemoryChain, make_node
from tests.rpc.harness import connected, post, request, run, serving, until
from zg_node.errors import InvalidConfig
from zg_node.rpc.connection import is_loopback
from zg_node.rpc.limits import Limits, Listener
from zg_node.rpc.server import RpcServer

CHAIN_ID = request("eth_chainId")


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00" * 100,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 200,
        b"HELLO\r\n\r\n",
        b"POST / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b"transfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_bytes_that_are_not_http_are_answered_400_and_the_connection_ends(garbage: bytes) -> None:
    async def main() -> None:
        async with serving() as server:
            async with connected(server) as client:
                answer = await client.ask(garbage)
                assert answer.status == 400
                assert "malformed" in answer.json["error"]["message"]
                assert await client.ended()
            async with connected(server) as client:
                assert (await client.call("eth_chainId"))["result"] == hex(1_660_200)

    run(main())


def test_a_request_may_arrive_byte_by_byte() -> None:
    async def main() -> None:
        async with serving() as server, connected(server) as client:
            for byte in post(CHAIN_ID):
                client.send(bytes((byte,)))
                await asyncio.sleep(0)
            assert (await client.read()).json["result"] == hex(1_660_200)
            assert (await client.call("eth_blockNumber"))["result"] == "0x0"

    run(main())


def test_a_truncated_request_harms_nobody() -> None:
    async def main() -> None:
        async with serving() as server:
            for cut in (3, 30, 90, len(post(CHAIN_ID)) - 1):
                async with connected(server) as client:
                    client.send(post(CHAIN_ID)[:cut])
                    client.writer.write_eof()
                    assert await client.ended()
            async with connected(server) as client:
                assert (await client.call("eth_chainId"))["id"] == 1

    run(main())


def test_pipelined_requests_are_answered_in_order() -> None:
    """The slow one at the front waits for a worker thread; those behind it are ready at once."""

    async def main() -> None:
        chain = MemoryChain()
        chain.pool.gate = threading.Event()
        async with serving(chain) as server, connected(server) as client:
            batch = [orjson.loads(request("eth_sendRawTransaction", "0x01", request_id=i)) for i in range(20)]
            client.send(post(orjson.dumps(batch)) + post(CHAIN_ID) + post(request("eth_blockNumber", request_id=2)))
            async with connected(server) as other:
                assert (await other.call("eth_chainId"))["id"] == 1
            chain.pool.gate.set()
            assert len((await client.read()).json) == 20
            assert [(await client.read()).json["id"] for _ in range(2)] == [1, 2]

    run(main())


def test_many_pipelined_requests_in_one_segment_are_all_answered() -> None:
    async def main() -> None:
        async with serving(limits=Limits(pipeline_max=4)) as server, connected(server) as client:
            client.send(b"".join(post(request("eth_chainId", request_id=i)) for i in range(500)))
            assert [(await client.read()).json["id"] for _ in range(500)] == list(range(500))

    run(main())


def test_a_head_seen_before_is_answered_like_the_first_time() -> None:
    async def main() -> None:
        async with serving(MemoryChain(0), MemoryChain(1)) as server, connected(server) as client:
            for path, chain_id in (("/shard/0", 1_660_200), ("/shard/1", 1_660_201), ("/", 1_660_200)):
                for _ in range(3):
                    assert (await client.call("eth_chainId", path=path))["result"] == hex(chain_id)
            assert len(server.known_heads) == 3

    run(main())


def test_known_heads_are_bounded() -> None:
    async def main() -> None:
        async with serving() as server, connected(server) as client:
            for number in range(1_100):
                client.send(post(CHAIN_ID, path=f"/?{number}"))
                await client.read()
            assert len(server.known_heads) <= 1_024

    run(main())


def test_a_body_too_large_is_refused_before_it_is_sent() -> None:
    async def main() -> None:
        async with serving(limits=Limits(body_max_bytes=1000)) as server, connected(server) as client:
            head = (
                b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1001\r\n\r\n"
            )
            answer = await client.ask(head)
            assert answer.status == 413
            assert answer.headers["connection"] == "close"

    run(main())


def test_a_body_too_large_is_refused_while_the_client_still_sends_it() -> None:
    async def main() -> None:
        async with serving(limits=Limits(body_max_bytes=1000)) as server, connected(server) as client:
            client.send(post(b"x" * 3_000_000))
            assert (await client.read()).status == 413

    run(main())


def test_a_chunked_body_is_read_and_bounded() -> None:
    async def main() -> None:
        head = post(b"", headers="transfer-encoding: chunked\r\n").replace(b"content-length: 0\r\n", b"")
        async with serving(limits=Limits(body_max_bytes=1000)) as server:
            async with connected(server) as client:
                parts = [CHAIN_ID[:10], CHAIN_ID[10:11], CHAIN_ID[11:]]
                chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
                assert (await client.ask(head + chunks + b"0\r\n\r\n")).json["id"] == 1
                assert (await client.ask(head + (b"1f4\r\n" + b"x" * 500 + b"\r\n") * 3)).status == 413
            async with connected(server) as client:
                assert (await client.ask(head + b"3e9\r\n" + b"x" * 1001)).status == 413
            async with connected(server) as client:
                assert (await client.ask(head + b"1\r\nx\r\n" * 20_000)).status == 413

    run(main())


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\n" + b"".join(b"x-%d: y\r\n" % i for i in range(10_000)),
        b"POST / HTTP/1.1\r\nx: " + b"y" * 100_000,
        b"POST /" + b"y" * 100_000,
    ],
)
def test_a_head_too_large_is_refused(head: bytes) -> None:
    async def main() -> None:
        async with serving() as server, connected(server) as client:
            assert (await client.ask(head)).status == 431
            assert await client.ended()

    run(main())


def test_a_client_that_expects_to_be_told_to_continue_is_told() -> None:
    async def main() -> None:
        async with serving() as server, connected(server) as client:
            head, body = post(CHAIN_ID, headers="expect: 100-continue\r\n").split(b"\r\n\r\n")
            client.send(head + b"\r\n\r\n")
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            assert (await client.ask(body)).json["id"] == 1

    run(main())


def test_an_upgrade_to_http2_is_ignored_and_the_request_answered() -> None:
    async def main() -> None:
        upgrade = "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAA\r\n"
        async with serving() as server, connected(server) as client:
            assert (await client.ask(post(CHAIN_ID, headers=upgrade))).json["id"] == 1
            assert (await client.call("eth_blockNumber"))["result"] == "0x0"

    run(main())


def test_a_websocket_handshake_without_its_connection_header_is_refused() -> None:
    async def main() -> None:
        async with serving() as server, connected(server) as client:
            answer = await client.ask(
                b"GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\n"
                b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            )
            assert answer.status == 426

    run(main())


def test_a_connection_stays_open_until_the_client_asks_to_close_it() -> None:
    async def main() -> None:
        async with serving() as server, connected(server) as client:
            for _ in range(3):
                assert "connection" not in (await client.ask(post(CHAIN_ID))).headers
            answer = await client.ask(post(CHAIN_ID, headers="connection: close\r\n"))
            assert answer.headers["connection"] == "close"
            assert await client.ended()

    run(main())


def test_a_client_that_ends_its_half_still_gets_its_answer() -> None:
    async def main() -> None:
        chain = MemoryChain()
        chain.pool.gate = threading.Event()
        async with serving(chain) as server, connected(server) as client:
            batch = [orjson.loads(request("eth_sendRawTransaction", "0x01", request_id=i)) for i in range(20)]
            client.send(post(orjson.dumps(batch)))
            client.writer.write_eof()
            await until(lambda: server.transactions_waiting)
            chain.pool.gate.set()
            assert len((await client.read()).json) == 20
            assert await client.ended()

    run(main())


def test_a_rebound_host_name_is_refused() -> None:
    async def main() -> None:
        async with serving() as server, connected(server) as client:
            assert (await client.ask(post(CHAIN_ID, host="evil.example"))).status == 403
        async with serving(listener=Listener(port=0, hosts=("node.example",))) as server, connected(server) as client:
            assert (await client.ask(post(CHAIN_ID, host="node.example:8545"))).status == 200

    run(main())


def test_a_form_post_is_refused() -> None:
    async def main() -> None:
        async with serving() as server, connected(server) as client:
            head = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 0\r\n\r\n"
            assert (await client.ask(head)).status == 415

    run(main())


def test_an_allowed_origin_gets_cors_headers_and_others_do_not() -> None:
    async def main() -> None:
        listener = Listener(port=0, origins=("https://app.example",))
        async with serving(listener=listener) as server, connected(server) as client:
            preflight = "OPTIONS / HTTP/1.1\r\nhost: localhost\r\norigin: https://{}.example\r\n\r\n"
            allowed = await client.ask(preflight.format("app").encode())
            assert allowed.headers["access-control-allow-origin"] == "https://app.example"
            assert "content-type" in allowed.headers["access-control-allow-headers"]
            other = await client.ask(preflight.format("evil").encode())
            assert "access-control-allow-origin" not in other.headers
            answer = await client.ask(post(CHAIN_ID, headers="origin: https://app.example\r\n"))
            assert answer.headers["access-control-allow-origin"] == "https://app.example"

    run(main())


def test_paths_lead_to_their_shard() -> None:
    async def main() -> None:
        async with serving(MemoryChain(0), MemoryChain(1)) as server, connected(server) as client:
            assert (await client.call("eth_chainId", path="/shard/1"))["result"] == hex(1_660_201)
            answer = await client.ask(post(CHAIN_ID, path="/shard/2"))
            assert answer.status == 404
            assert "/shard/0 to /shard/1" in answer.json["error"]["message"]

    run(main())


def test_pages_for_people_and_probes() -> None:
    async def main() -> None:
        async with serving(MemoryChain(0, blocks=3)) as server, connected(server) as client:

            async def get(path: str) -> tuple[int, bytes]:
                answer = await client.ask(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
                return answer.status, answer.body

            assert await get("/health") == (200, b'{"healthy":true}')
            assert await get("/ready") == (200, b'{"ready":true}')
            status, text = await get("/")
            assert status == 200
            assert b"chain id 1660200, block 2" in text
            assert (await get("/metrics"))[0] == 404

    run(main())


def test_a_metrics_listener_serves_metrics_and_probes_only() -> None:
    async def main() -> None:
        node = make_node(MemoryChain(), ready=False)
        listener = Listener(port=0, rpc=False, metrics=True)
        async with serving(node=node, listener=listener) as server, connected(server) as client:
            answer = await client.ask(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert (answer.status, answer.body) == (200, b"zg_test 1\n")
            assert (await client.ask(b"GET /ready HTTP/1.1\r\nhost: localhost\r\n\r\n")).status == 503
            assert (await client.ask(post(CHAIN_ID))).status == 404

    run(main())


def test_connections_beyond_the_limit_are_turned_away() -> None:
    async def main() -> None:
        async with serving(limits=Limits(connections_max=1)) as server, connected(server) as first:
            await first.call("eth_chainId")
            async with connected(server) as second:
                assert (await second.read()).status == 503
                assert await second.ended()
            assert (await first.call("eth_chainId"))["id"] == 1

    run(main())


def elapse(server: RpcServer, seconds: int) -> None:
    """Let the server's clock pass and its sweep run, without waiting."""
    server.now_s += seconds
    server.sweep()


def test_a_request_that_does_not_arrive_in_time_is_given_up() -> None:
    async def main() -> None:
        async with serving() as server, connected(server) as slow, connected(server) as idle:
            await idle.call("eth_chainId")
            slow.send(post(CHAIN_ID)[:40])
            await until(lambda: server.receiving)
            elapse(server, 31)
            assert (await slow.read()).status == 408
            assert (await idle.call("eth_chainId"))["id"] == 1
            elapse(server, 121)
            assert await idle.ended()

    run(main())


def test_a_client_that_does_not_read_is_disconnected() -> None:
    """Requests are cheap to send and their answers large: what piles up must be bounded."""

    async def main() -> None:
        limits = Limits(write_buffer_max_bytes=2_000_000, pipeline_max=100_000)
        async with serving(limits=limits) as server, connected(server) as client:
            client.reader._transport.pause_reading()  # type: ignore[attr-defined]
            batch = b"[" + b",".join(request("rpc_modules", request_id="x" * 4000) for _ in range(100)) + b"]"
            for _ in range(40):
                client.send(post(batch))
            await until(lambda: server.budget.used_bytes or not server.connections)
            elapse(server, 31)
            await until(lambda: not server.connections)

    run(main())


def test_a_port_in_use_is_one_clear_sentence() -> None:
    async def main() -> None:
        async with serving() as server:
            second = RpcServer(server.node, Limits(), replace(server.listener, port=server.port))
            with pytest.raises(InvalidConfig, match=": Address already in use; choose another port"):
                await second.start()
            await second.close()

    run(main())


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        (("127.0.0.1", 1), True),
        (("127.9.9.9", 1), True),
        (("::1", 1, 0, 0), True),
        (("::ffff:127.0.0.1", 1, 0, 0), True),
        (("10.0.0.1", 1), False),
        (("::ffff:10.0.0.1", 1, 0, 0), False),
        (("fe80::1%eth0", 1, 0, 0), False),
        (None, False),
        ("", False),
    ],
)
def test_loopback_peers_are_known_by_their_address(peer: object, expected: bool) -> None:
    assert is_loopback(peer) is expected
