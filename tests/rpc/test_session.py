"""Subscriptions of one client, without a socket."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson

from zg_node.rpc.session import HELD_MAX, Session

Take = Callable[[Sequence[bytes]], None]


class Wire:
    """What a session sent, and the subscriptions it opened."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.takes: list[Take] = []
        self.ended = 0
        self.dropped = 0
        self.session = Session(self.sent.append, self.drop, 10)

    def drop(self) -> None:
        self.dropped += 1

    def subscribe(self, take: Take) -> Callable[[], None]:
        self.takes.append(take)

        def unsubscribe() -> None:
            self.ended += 1

        return unsubscribe


def test_a_notification_names_its_subscription() -> None:
    wire = Wire()
    subscription = wire.session.open(wire.subscribe)
    wire.takes[0]([b'"a"', b'"b"'])
    assert [orjson.loads(text) for text in wire.sent] == [
        {"jsonrpc": "2.0", "method": "eth_subscription", "params": {"subscription": subscription, "result": result}}
        for result in ("a", "b")
    ]


def test_held_notifications_follow_in_order_when_the_last_hold_is_released() -> None:
    wire = Wire()
    wire.session.hold()
    wire.session.hold()
    wire.session.open(wire.subscribe)
    for number in range(3):
        wire.takes[0]([b"%d" % number])
    wire.session.release()
    assert wire.sent == []
    wire.session.release()
    assert [orjson.loads(text)["params"]["result"] for text in wire.sent] == [0, 1, 2]


def test_too_much_held_back_ends_the_connection_rather_than_losing_some() -> None:
    wire = Wire()
    wire.session.hold()
    wire.session.open(wire.subscribe)
    wire.takes[0]([b"1"] * HELD_MAX)
    assert wire.dropped == 0
    wire.takes[0]([b"1"])
    assert wire.dropped == 1


def test_closing_ends_every_subscription_once() -> None:
    wire = Wire()
    first = wire.session.open(wire.subscribe)
    wire.session.open(wire.subscribe)
    assert wire.session.end(first)
    assert not wire.session.end(first)
    wire.session.close()
    wire.session.close()
    assert wire.ended == 2
