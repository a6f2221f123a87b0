"""A node that has no shards to ask yet: what it is doing, and nothing else; then its port serves them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from tests.rpc.doubles import MemoryChain, make_node
from tests.rpc.harness import connected, post, request, run, serving, websocket
from zg_node.rpc.api import Starting
from zg_node.rpc.limits import Limits
from zg_node.rpc.server import RpcServer

STARTING = replace(make_node(ready=False), starting=lambda: Starting("joining: shard 1", 3, 8))
REFUSAL = "the node is starting: joining: shard 1; see `zg-node status`"


def test_a_node_that_starts_says_what_it_does_and_answers_nothing_else() -> None:
    async def main() -> None:
        async with serving(node=STARTING) as server, connected(server) as client:
            info = (await client.call("zg_nodeInfo"))["result"]
            assert info["ready"] is False
            assert info["starting"] == {"stage": "joining: shard 1", "done": "0x3", "total": "0x8"}
            assert (await client.call("zg_shards"))["result"] == []
            for path in ("/", "/shard/1"):
                for method in ("eth_blockNumber", "eth_getBlockByNumber", "zg_shard", "zg_daPut", "net_version"):
                    error = (await client.call(method, path=path))["error"]
                    assert (error["code"], error["message"]) == (-32000, REFUSAL)
            assert (await client.call("eth_nothing"))["error"]["code"] == -32601

    run(main())


def test_transactions_and_pieces_of_blobs_are_refused_while_a_node_starts() -> None:
    async def main() -> None:
        async with serving(node=STARTING) as server, connected(server) as client:
            raw = request("eth_sendRawTransaction", "0x00")
            alone = await client.ask(post(raw))
            assert alone.json["error"]["message"] == REFUSAL
            several = await client.ask(post(b"[%b,%b]" % (raw, raw)))
            assert [answer["error"]["message"] for answer in several.json] == [REFUSAL] * 2
            piece = b"POST /da/0/0 HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\n"
            answer = await client.ask(piece + b"content-length: 1\r\n\r\nx")
            assert answer.json["error"]["message"] == REFUSAL

    run(main())


def test_probes_and_people_see_that_a_node_starts() -> None:
    async def main() -> None:
        async with serving(node=STARTING) as server, connected(server) as client:
            for path, status in (("/health", 200), ("/ready", 503), ("/", 200)):
                answer = await client.ask(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
                assert answer.status == status
            assert b"starting: joining: shard 1" in answer.body

    run(main())


def test_a_websocket_of_a_node_that_starts_is_told_and_then_closed() -> None:
    async def main() -> None:
        async with serving(node=STARTING) as server, websocket(server) as client:
            assert (await client.call("eth_subscribe", "newHeads"))["error"]["message"] == REFUSAL
            async with succeeding(server):
                assert (await client.closing()).reason == "the node is stopping"

    run(main())


def test_the_port_serves_the_shards_once_they_are_open() -> None:
    async def main() -> None:
        async with serving(node=STARTING) as server, connected(server) as before:
            assert (await before.call("eth_blockNumber"))["error"]["message"] == REFUSAL
            port = server.port
            async with succeeding(server) as later:
                assert later.port == port
                assert await before.ended()
                async with connected(later) as client:
                    assert (await client.call("eth_blockNumber"))["result"] == "0x2"

    run(main())


@asynccontextmanager
async def succeeding(server: RpcServer) -> AsyncIterator[RpcServer]:
    """The server of the open shards, on the same port; closed afterwards."""
    later = RpcServer(make_node(MemoryChain(blocks=3)), Limits(), server.listener)
    await later.succeed(server)
    try:
        yield later
    finally:
        await later.close()
