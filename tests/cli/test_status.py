"""`status --wait` against nodes that answer what a test wrote down, or nothing yet."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from click.testing import Result

from tests.cli.scripted import ScriptedNode, server, serving
from zg_node.cli import status

Run = Callable[..., Result]

INFO = {
    "clientVersion": "zg_node/test",
    "network": "test",
    "ready": True,
    "starting": None,
    "peers": "0x3",
    "addresses": [],
}


@pytest.fixture
def late() -> Iterator[tuple[ScriptedNode, Callable[[], None]]]:
    """A node whose port refuses connections, and what makes it listen."""
    node = ScriptedNode({"zg_nodeInfo": INFO, "zg_shards": []})
    made = server(node)
    with ExitStack() as stack:
        stack.callback(made.server_close)
        yield node, lambda: stack.enter_context(serving(made))


def test_waiting_begins_before_the_node_listens(
    zg: Run, monkeypatch: pytest.MonkeyPatch, late: tuple[ScriptedNode, Callable[[], None]]
) -> None:
    node, listen = late
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            listen()

    monkeypatch.setattr(time, "sleep", pause)
    waited = zg("status", "--rpc", node.url, "--wait", "--json")
    assert waited.exit_code == 0, waited.output
    assert pauses == [status.WAIT_S] * 3
    assert json.loads(waited.stdout)["ready"] is True


def test_waiting_for_a_node_that_never_comes_ends_with_a_sentence(
    zg: Run, monkeypatch: pytest.MonkeyPatch, late: tuple[ScriptedNode, Callable[[], None]]
) -> None:
    monkeypatch.setattr(status, "COME_UP_S", 0.0)
    monkeypatch.setattr(time, "sleep", no_pause)
    refused = zg("status", "--rpc", late[0].url, "--wait")
    assert refused.exit_code == 1
    assert f"cannot reach {late[0].url} (Connection refused)" in refused.stderr


def test_without_wait_a_node_that_does_not_listen_is_a_failure_at_once(
    zg: Run, monkeypatch: pytest.MonkeyPatch, late: tuple[ScriptedNode, Callable[[], None]]
) -> None:
    monkeypatch.setattr(time, "sleep", no_pause)
    assert zg("status", "--rpc", late[0].url).exit_code == 1


@pytest.mark.parametrize(
    "broken", [{"status": 500}, {"raw": b"no JSON"}, {"answers": {"zg_nodeInfo": {}, "zg_shards": []}}]
)
def test_what_answers_and_is_no_node_is_not_waited_for(
    zg: Run, monkeypatch: pytest.MonkeyPatch, scripted: ScriptedNode, broken: dict[str, object]
) -> None:
    for name, value in broken.items():
        setattr(scripted, name, value)
    monkeypatch.setattr(time, "sleep", no_pause)
    assert zg("status", "--rpc", scripted.url, "--wait").exit_code == 1


def test_a_node_that_goes_while_it_is_waited_for_is_a_failure(zg: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    node = ScriptedNode({"zg_nodeInfo": {**INFO, "ready": False}, "zg_shards": []})
    with ExitStack() as stack:
        stack.enter_context(serving(server(node)))
        monkeypatch.setattr(time, "sleep", lambda _: stack.close())
        gone = zg("status", "--rpc", node.url, "--wait")
    assert gone.exit_code == 1
    assert "Connection refused" in gone.stderr


def no_pause(_: float) -> None:
    raise AssertionError("it waits")
