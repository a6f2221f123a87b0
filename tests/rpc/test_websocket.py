"""WebSockets on real sockets: frames, limits, subscriptions without gaps."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import orjson
import pytest
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from tests.rpc.devchain import ALICE, BOB, ECHO_RUNTIME, DevChain, deployment
from tests.rpc.doubles import MemoryChain
from tests.rpc.harness import WebSocketClient, connected, post, request, run, serving, until, websocket
from zg_node.rpc.limits import Limits, Listener
from zg_node.rpc.websocket import text_frame


@pytest.mark.parametrize(
    ("size", "head"),
    [(0, "8100"), (125, "817d"), (126, "817e007e"), (65_535, "817effff"), (65_536, "817f0000000000010000")],
)
def test_a_frame_says_its_size_in_the_shortest_form(size: int, head: str) -> None:
    assert text_frame(b"x" * size) == bytes.fromhex(head) + b"x" * size


def test_a_websocket_shares_port_paths_and_methods_with_http() -> None:
    async def main() -> None:
        async with serving(MemoryChain(0), MemoryChain(1)) as server:
            async with websocket(server) as client, websocket(server, "/shard/1") as other:
                assert (await client.call("eth_chainId"))["result"] == hex(1_660_200)
                assert (await other.call("eth_chainId"))["result"] == hex(1_660_201)
            with pytest.raises(ConnectionRefusedError, match="404"):
                async with websocket(server, "/shard/2"):
                    pass

    run(main())


def test_requests_and_batches_are_answered_and_garbage_is_a_parse_error() -> None:
    async def main() -> None:
        async with serving() as server, websocket(server) as client:
            client.send_text(b"{")
            assert (await client.receive())["error"]["code"] == -32700
            client.send_text(
                b"[" + request("eth_chainId", request_id=1) + b"," + request("eth_syncing", request_id=2) + b"]"
            )
            assert [one["id"] for one in await client.receive()] == [1, 2]
            client.send_text(b'{"jsonrpc":"2.0","method":"eth_chainId"}')
            client.send_text(request("eth_sendRawTransaction", "0x01", request_id="raw"))
            assert (await client.receive())["id"] == "raw"
            client.send_event(BytesMessage(request("eth_chainId", request_id=4)))
            assert (await client.receive())["id"] == 4

    run(main())


def test_a_message_in_fragments_between_pings_is_one_message() -> None:
    async def main() -> None:
        async with serving() as server, websocket(server) as client:
            body = request("eth_chainId", request_id="\u00e9\u4e2d").decode()
            for place, letter in enumerate(body):
                client.send_event(TextMessage(letter, message_finished=place == len(body) - 1))
                if place == 20:
                    client.send_event(Ping(b"there?"))
            assert isinstance(await client.event(), Pong)
            assert (await client.receive())["id"] == "\u00e9\u4e2d"

    run(main())


def test_a_message_too_large_is_refused_whole_or_in_fragments() -> None:
    async def main() -> None:
        async with serving(limits=Limits(body_max_bytes=1000)) as server:
            async with websocket(server) as client:
                client.send_text(b"x" * 5_000_000)
                assert (await client.closing()).code == 1009
            async with websocket(server) as client:
                for _ in range(11):
                    client.send_event(TextMessage("x" * 100, message_finished=False))
                assert (await client.closing()).code == 1009

    run(main())


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x83\x80\x00\x00\x00\x00", 1002),  # an opcode that does not exist
        (b"\x81\x01x", 1002),  # not masked
        (b"\xc1\x80\x00\x00\x00\x00", 1002),  # a reserved bit
        (b"\x80\x80\x00\x00\x00\x00", 1002),  # a continuation of nothing
        (b"\x81\x82\x00\x00\x00\x00\xff\xff", 1007),  # not UTF-8
        (b"\x89\xfe\x00\x7e\x00\x00\x00\x00" + b"x" * 126, 1002),  # a ping too long
    ],
)
def test_frames_against_the_protocol_end_the_connection_with_their_code(frame: bytes, code: int) -> None:
    async def main() -> None:
        async with serving() as server, websocket(server) as client:
            client.writer.write(frame)
            assert (await client.closing()).code == code
            async with websocket(server) as other:
                assert (await other.call("eth_chainId"))["id"] == 1

    run(main())


def test_a_close_is_answered_and_the_stream_ended() -> None:
    async def main() -> None:
        async with serving() as server, websocket(server) as client:
            client.send_event(CloseConnection(1000, "bye"))
            assert (await client.closing()).code == 1000
            assert await client.reader.read() == b""

    run(main())


def test_a_stopping_server_says_that_it_goes_away() -> None:
    async def main() -> None:
        async with serving() as server, websocket(server) as client:
            await client.call("eth_chainId")
            await server.close()
            assert (await client.closing()).code == 1001

    run(main())


def test_a_foreign_origin_is_refused() -> None:
    async def main() -> None:
        origin = [(b"origin", b"https://evil.example")]
        async with serving() as server:
            with pytest.raises(ConnectionRefusedError, match="403"):
                async with websocket(server, headers=origin):
                    pass
        async with (
            serving(listener=Listener(port=0, origins=("*",))) as server,
            websocket(server, headers=origin) as client,
        ):
            assert (await client.call("eth_chainId"))["id"] == 1

    run(main())


def test_a_silent_client_is_pinged_and_then_given_up() -> None:
    async def main() -> None:
        async with serving() as server, websocket(server) as client:
            await client.call("eth_chainId")
            server.now_s += 31
            server.sweep()
            assert isinstance(await client.event(), Ping)
            server.now_s += 61
            server.sweep()
            assert (await client.closing()).code == 1006

    run(main())


def test_subscriptions_need_a_websocket() -> None:
    async def main() -> None:
        async with serving() as server, connected(server) as client:
            error = (await client.call("eth_subscribe", "newHeads"))["error"]
            assert error == {"code": -32601, "message": "notifications not supported"}

    run(main())


async def heads(client: WebSocketClient, subscription: str, count: int) -> list[int]:
    """The numbers of the next `count` blocks announced."""
    numbers = []
    for _ in range(count):
        notification = await client.receive()
        assert notification["method"] == "eth_subscription"
        assert notification["params"]["subscription"] == subscription
        numbers.append(int(notification["params"]["result"]["number"], 16))
    return numbers


def test_every_block_is_announced_in_order_after_the_subscription_is_answered() -> None:
    async def main() -> None:
        chain = MemoryChain()
        async with serving(chain) as server, websocket(server) as client:
            client.send_text(request("eth_subscribe", "newHeads"))
            await until(lambda: server.dispatcher.counts["eth_subscribe"])
            for _ in range(200):
                chain.grow()
            subscription = (await client.receive())["result"]
            assert await heads(client, subscription, 200) == list(range(1, 201))
            assert (await client.call("eth_unsubscribe", subscription))["result"] is True
            chain.grow()
            assert (await client.call("eth_unsubscribe", subscription))["error"]["message"] == "subscription not found"

    run(main())


def test_in_a_batch_the_answer_still_precedes_its_notifications() -> None:
    """The batch waits for a transaction; a block comes meanwhile."""

    async def main() -> None:
        chain = MemoryChain()
        chain.pool.gate = threading.Event()
        async with serving(chain) as server, websocket(server) as client:
            items = [request("eth_subscribe", "newHeads", request_id=0)]
            items += [request("eth_sendRawTransactionSync", "0x01", 1, request_id=1)]
            async with connected(server) as other:
                flood = [orjson.loads(request("eth_sendRawTransaction", "0x02")) for _ in range(50)]
                other.send(post(orjson.dumps(flood)))
                client.send_text(b"[" + b",".join(items) + b"]")
                await until(lambda: server.transactions_waiting >= 51)
                chain.grow()
                chain.pool.gate.set()
                answers = await client.receive()
                assert [one["id"] for one in answers] == [0, 1]
                assert await heads(client, answers[0]["result"], 1) == [1]

    run(main())


def test_accepted_transactions_are_announced_by_hash_in_order() -> None:
    async def main() -> None:
        async with serving() as server, websocket(server) as client:
            subscription = (await client.call("eth_subscribe", "newPendingTransactions"))["result"]
            async with connected(server) as other:
                sent = [(await other.call("eth_sendRawTransaction", f"0x{i:04x}"))["result"] for i in range(20)]
            told = [(await client.receive())["params"] for _ in range(20)]
            assert [one["result"] for one in told] == sent
            assert {one["subscription"] for one in told} == {subscription}

    run(main())


def test_subscriptions_that_do_not_exist_are_refused() -> None:
    async def main() -> None:
        async with serving(limits=Limits(subscriptions_max=2)) as server, websocket(server) as client:
            error = (await client.call("eth_subscribe", "weather"))["error"]
            assert error == {"code": -32601, "message": 'no "weather" subscription in eth namespace'}
            assert (await client.call("eth_subscribe"))["error"]["code"] == -32602
            assert (await client.call("eth_subscribe", "syncing"))["result"].startswith("0x")
            assert (await client.call("eth_subscribe", "newHeads"))["result"].startswith("0x")
            assert (await client.call("eth_subscribe", "newHeads"))["error"]["code"] == -32005

    run(main())


def test_a_lost_client_leaves_no_subscription_behind() -> None:
    async def main() -> None:
        chain = MemoryChain()
        async with serving(chain) as server:
            async with websocket(server) as client:
                await client.call("eth_subscribe", "newHeads")
            await until(lambda: not server.connections)
            assert server.subscriptions == 0
            chain.grow()

    run(main())


def test_a_subscriber_that_does_not_read_is_disconnected() -> None:
    async def main() -> None:
        chain = MemoryChain()
        async with (
            serving(chain, limits=Limits(write_buffer_max_bytes=1_000_000)) as server,
            websocket(server) as client,
        ):
            for _ in range(100):
                await client.call("eth_subscribe", "newHeads")
            client.reader._transport.pause_reading()  # type: ignore[attr-defined]
            for _ in range(1000):
                chain.grow()
                await asyncio.sleep(0)
                if not server.connections:
                    break
            assert server.connections == 0

    run(main())


def test_logs_are_announced_one_by_one_in_block_order(tmp_path: Path) -> None:
    async def main() -> None:
        dev = DevChain(tmp_path)
        async with serving(node=dev.node()) as server, websocket(server) as client:
            tx_hash = (
                await client.call(
                    "eth_sendRawTransaction", dev.sign(ALICE, 0, input="0x" + deployment(ECHO_RUNTIME).hex())
                )
            )["result"]
            dev.mine()
            echo = (await client.call("eth_getTransactionReceipt", tx_hash))["result"]["contractAddress"]
            every = (await client.call("eth_subscribe", "logs", {"address": echo}))["result"]
            other = (await client.call("eth_subscribe", "logs", {"address": "0x" + BOB.hex()}))["result"]
            assert every != other
            for nonce in range(1, 21):
                await client.call("eth_sendRawTransaction", dev.sign(ALICE, nonce, to=echo, input=f"0x{nonce:02x}"))
                if nonce % 4 == 0:
                    dev.mine()
                    for announced in range(nonce - 3, nonce + 1):
                        told = (await client.receive())["params"]
                        assert told["subscription"] == every
                        assert told["result"]["data"] == f"0x{announced:02x}"
                        assert int(told["result"]["logIndex"], 16) == (announced - 1) % 4
        dev.chain.close()

    run(main())


def test_pending_transactions_are_announced_in_full_when_asked(tmp_path: Path) -> None:
    async def main() -> None:
        dev = DevChain(tmp_path)
        async with serving(node=dev.node()) as server, websocket(server) as client:
            await client.call("eth_subscribe", "newPendingTransactions", True)
            client.send_text(request("eth_sendRawTransaction", dev.sign(ALICE, 0, to="0x" + BOB.hex())))
            messages = [await client.receive(), await client.receive()]
            (told,) = [one["params"]["result"] for one in messages if "params" in one]
            assert (told["nonce"], told["blockHash"]) == ("0x0", None)
        dev.chain.close()

    run(main())
