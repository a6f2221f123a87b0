"""Requests are rendered whole, senders keep their order, and the gate holds back what it should."""

from __future__ import annotations

import json

import pytest

from zg_node.bench.http import Endpoint
from zg_node.bench.load import Gate, interleave, render_requests
from zg_node.bench.transaction import Signed
from zg_node.errors import InvalidConfig

ENDPOINT = Endpoint("127.0.0.1", 8545, "/shard/1")


def signed(sender: int, count: int) -> list[Signed]:
    return [Signed(bytes([sender, nonce]) * 16, b"%02x%02x" % (sender, nonce)) for nonce in range(count)]


def test_a_sender_keeps_its_nonce_order_among_others() -> None:
    order = interleave([signed(1, 3), signed(2, 1), signed(3, 2)])
    assert [tx.raw_hex for tx in order] == [b"0100", b"0200", b"0300", b"0101", b"0301", b"0102"]


def test_a_batch_is_one_request_and_the_last_one_is_shorter() -> None:
    requests = render_requests(ENDPOINT, signed(1, 5), batch=2)
    assert [len(request.hashes) for request in requests] == [2, 2, 1]
    head, _, body = requests[0].rendered.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /shard/1 HTTP/1.1\r\nHost: 127.0.0.1:8545\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    calls = json.loads(body)
    assert [call["params"] for call in calls] == [["0x0100"], ["0x0101"]]
    assert {call["method"] for call in calls} == {"eth_sendRawTransaction"}
    assert [call["id"] for call in calls] == [0, 1]


def test_a_batch_of_one_is_a_plain_call() -> None:
    body = render_requests(ENDPOINT, signed(1, 1), batch=1)[0].rendered.partition(b"\r\n\r\n")[2]
    assert json.loads(body)["params"] == ["0x0100"]


def test_the_gate_admits_no_more_than_may_be_outstanding() -> None:
    gate = Gate(outstanding_max=10)
    assert gate.admit(10)
    assert not gate.admit(1)
    gate.settle(4)
    assert gate.admit(4)
    assert not gate.admit(1)


def test_the_gate_resumes_each_parked_connection_once_a_tick() -> None:
    gate = Gate(outstanding_max=1)
    resumed: list[str] = []

    def first() -> None:
        resumed.append("first")
        gate.park(first)

    gate.park(first)
    gate.park(lambda: resumed.append("second"))
    gate.tick()
    assert resumed == ["first", "second"]
    gate.tick()
    assert resumed == ["first", "second", "first"]


def test_a_gate_with_a_rate_holds_back_what_is_early() -> None:
    gate = Gate(outstanding_max=10**9, rate_per_s=0.001)
    assert gate.admit(100)  # nothing was sent yet
    assert not gate.admit(1)  # the next one is due in a hundred thousand seconds


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:1", "127.0.0.1:8545", "http://:8545", "http://host:port", "ws://a:1"]
)
def test_what_is_no_plain_http_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidConfig):
        Endpoint.parse(url)


def test_a_shard_has_its_own_path() -> None:
    assert Endpoint.parse("http://127.0.0.1:8545").shard(2).url == "http://127.0.0.1:8545/shard/2"
