"""Decisions on request heads."""

from __future__ import annotations

import pytest

from zg_node.rpc.http import Action, Head, Refusal, cors_lines, host_allowed, read_head, response, route
from zg_node.rpc.limits import Listener

JSON_HEADERS = ((b"host", b"localhost:8545"), (b"content-type", b"application/json"), (b"content-length", b"2"))


def decide(
    method: bytes = b"POST",
    target: bytes = b"/",
    headers: tuple[tuple[bytes, bytes], ...] = JSON_HEADERS,
    listener: Listener | None = None,
) -> Head | Refusal:
    return read_head(method, target, headers, True, listener or Listener(), 3)


def status(decision: Head | Refusal) -> int:
    return decision.status if isinstance(decision, Refusal) else 200


@pytest.mark.parametrize(
    "host", [b"localhost", b"LOCALHOST:8545", b"127.0.0.1", b"10.1.2.3:80", b"[::1]:8545", b"::1", b"[fe80::1]"]
)
def test_a_host_that_is_an_address_or_allowed_is_accepted(host: bytes) -> None:
    assert host_allowed(host, ("localhost",))


@pytest.mark.parametrize("host", [b"evil.example", b"localhost.evil.example:8545", b"127.0.0.1.nip.io", b"", b"[x"])
def test_a_rebound_name_is_not_an_allowed_host(host: bytes) -> None:
    assert not host_allowed(host, ("localhost",))


def test_a_star_allows_every_host() -> None:
    assert host_allowed(b"node.example", ("*",))


def test_a_request_without_a_host_comes_from_no_browser_and_is_taken() -> None:
    assert isinstance(decide(headers=JSON_HEADERS[1:]), Head)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/", (Action.RPC, 0)),
        (b"/?key=1", (Action.RPC, 0)),
        (b"/shard/0", (Action.RPC, 0)),
        (b"/shard/2/", (Action.RPC, 2)),
        (b"/da/1/0", (Action.PIECE, 0)),
        (b"/shard/1/da/3/2097152?key=1", (Action.PIECE, 1)),
        (b"/health", (Action.HEALTH, 0)),
        (b"/ready", (Action.READY, 0)),
    ],
)
def test_paths_lead_to_shards_and_probes(target: bytes, expected: tuple[Action, int]) -> None:
    assert route(target, Listener(), 3) == expected


@pytest.mark.parametrize(
    "target",
    [
        b"/shard/3",
        b"/shard/",
        b"/shard/-1",
        b"/shard/x",
        b"/shard/9999999",
        b"/metrics",
        b"/a",
        b"/da/1",
        b"/da/x/0",
        b"/da/1/-1",
        b"/shard/3/da/1/0",
        b"/da/1/" + b"9" * 19,
    ],
)
def test_other_paths_are_not_found_and_say_what_is(target: bytes) -> None:
    refusal = route(target, Listener(), 3)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 404
    assert "/shard/2" in refusal.message


def test_metrics_are_served_where_configured() -> None:
    assert route(b"/metrics", Listener(metrics=True, rpc=False), 1) == (Action.METRICS, 0)
    assert isinstance(route(b"/", Listener(metrics=True, rpc=False), 1), Refusal)


@pytest.mark.parametrize("content_type", [b"text/plain", b"application/x-www-form-urlencoded", b""])
def test_content_types_that_a_page_may_post_unasked_are_refused(content_type: bytes) -> None:
    assert status(decide(headers=((b"content-type", content_type),))) == 415


def test_a_content_type_may_name_its_charset() -> None:
    assert isinstance(decide(headers=((b"content-type", b"Application/JSON; charset=utf-8"),)), Head)


def test_methods_beside_get_post_and_options_are_refused() -> None:
    assert status(decide(b"PUT")) == 405
    assert status(decide(b"POST", b"/health")) == 405


def test_an_unknown_expectation_fails() -> None:
    assert status(decide(headers=(*JSON_HEADERS, (b"expect", b"miracles")))) == 417


def test_a_compressed_body_is_refused() -> None:
    assert status(decide(headers=(*JSON_HEADERS, (b"content-encoding", b"gzip")))) == 415


def test_origins_are_told_only_when_allowed() -> None:
    assert cors_lines(b"https://a.example", ()) == b""
    assert cors_lines(b"https://b.example", ("https://a.example",)) == b""
    assert b"https://a.example\r\nvary: origin" in cors_lines(b"https://a.example", ("https://a.example",))
    assert cors_lines(b"https://b.example", ("*",)) == b"access-control-allow-origin: *\r\n"
    assert cors_lines(None, ("*",)) == b""


def test_a_websocket_from_a_foreign_origin_is_refused() -> None:
    upgrade = (
        (b"upgrade", b"websocket"),
        (b"connection", b"upgrade"),
        (b"sec-websocket-version", b"13"),
        (b"sec-websocket-key", b"AAAAAAAAAAAAAAAAAAAAAA=="),
    )
    assert isinstance(decide(b"GET", headers=upgrade), Head)
    foreign = (*upgrade, (b"origin", b"https://evil.example"))
    assert status(decide(b"GET", headers=foreign)) == 403
    assert isinstance(decide(b"GET", headers=foreign, listener=Listener(origins=("https://evil.example",))), Head)
    assert status(decide(b"GET", headers=upgrade[:2])) == 426


def test_a_proxy_that_forwards_makes_its_client_foreign() -> None:
    head = decide(headers=(*JSON_HEADERS, (b"x-forwarded-for", b"203.0.113.7")))
    assert isinstance(head, Head)
    assert head.forwarded


def test_a_response_counts_its_body() -> None:
    assert response(200, b"text/plain", b"abc", close=True) == (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc"
    )


def test_a_piece_of_a_blob_is_posted_as_bytes() -> None:
    headers = (JSON_HEADERS[0], (b"content-type", b"application/octet-stream"), (b"content-length", b"2"))
    head = decide(target=b"/shard/1/da/3/2097152", headers=headers)
    assert isinstance(head, Head)
    assert (head.action, head.shard, head.piece) == (Action.PIECE, 1, (3, 2097152))
    assert status(decide(target=b"/da/3/0")) == 415
    assert status(decide(b"GET", b"/da/3/0", headers)) == 405
    assert status(decide(target=b"/da/3/0", headers=headers, listener=Listener(namespaces=("eth",)))) == 404
    assert status(decide(target=b"/", headers=headers)) == 415
