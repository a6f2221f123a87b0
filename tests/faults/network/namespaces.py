"""A small internet: every node in a network namespace of its own, a router between them that can drop packets.

    node 0 ── veth ──┐
    node i ── veth ──┼── router ── veth ── the test      10.<n>.<i+1>.2 is node i, 10.<n>.0.1 the test
                     ┘   policy rules: from node a to node b, blackhole

A blackhole in the router loses packets as a broken wire does: neither side is told. Each direction has its own rule,
and what the test itself says to a node is never dropped.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

PREFIX = "zgnet"
NAMES = re.compile(rf"^{PREFIX}(\d+)-")
RULE_PREFERENCE = "100"
"""Before the rules that a namespace has from the start."""
FORWARD = Path("/proc/sys/net/ipv4/ip_forward")


class NotPermitted(Exception):
    """No namespaces here; the text says why."""


class Namespaces:
    """The network of `count` nodes, from `open` to `close`."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._name = f"{PREFIX}{os.getpid()}"
        self._subnet = f"10.{128 + os.getpid() % 100}"
        self._dropped: set[tuple[int, int]] = set()

    def open(self) -> None:
        """Build it. Raises NotPermitted; nothing is left then."""
        _sweep()
        try:
            self._build()
        except (OSError, subprocess.CalledProcessError) as error:
            self.close()
            reason = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else error
            raise NotPermitted(f"network namespaces cannot be made here: {reason}") from error

    def close(self) -> None:
        """Take it down, whatever of it is there."""
        for name in _names():
            if name.startswith(f"{self._name}-"):
                _remove(name)

    def address(self, node: int) -> str:
        """Where `node` is reached, by the others and by the test."""
        return f"{self._subnet}.{node + 1}.2"

    def prefix(self, node: int) -> tuple[str, ...]:
        """Goes before a command to run it where `node` is."""
        return ("nsenter", f"--net=/run/netns/{self._name}-{node}")

    def drop(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Lose what the first of each pair sends to the second, from now on."""
        for sender, receiver in set(pairs) - self._dropped:
            self._rule("add", sender, receiver)
            self._dropped.add((sender, receiver))

    def heal(self) -> None:
        """Lose nothing any more."""
        for sender, receiver in self._dropped:
            self._rule("del", sender, receiver)
        self._dropped.clear()

    def _rule(self, action: str, sender: int, receiver: int) -> None:
        ends = ("from", self.address(sender), "to", self.address(receiver))
        _ip("-n", f"{self._name}-router", "rule", action, *ends, "blackhole", "pref", RULE_PREFERENCE)

    def _build(self) -> None:
        router = f"{self._name}-router"
        _ip("netns", "add", router)
        _ip("-n", router, "link", "set", "lo", "up")
        _run("nsenter", f"--net=/run/netns/{router}", "sh", "-c", f"echo 1 > {FORWARD}")
        ours = f"zg{os.getpid()}"  # an interface's name has 15 characters at most
        _ip("link", "add", ours, "type", "veth", "peer", "name", "test", "netns", router)
        _ip("addr", "add", f"{self._subnet}.0.1/30", "dev", ours)
        _ip("link", "set", ours, "up")
        _ip("-n", router, "addr", "add", f"{self._subnet}.0.2/30", "dev", "test")
        _ip("-n", router, "link", "set", "dev", "test", "up")
        _ip("route", "add", f"{self._subnet}.0.0/16", "via", f"{self._subnet}.0.2")
        for node in range(self._count):
            self._build_node(router, node)

    def _build_node(self, router: str, node: int) -> None:
        name, gateway = f"{self._name}-{node}", f"{self._subnet}.{node + 1}.1"
        _ip("netns", "add", name)
        _ip("-n", router, "link", "add", f"node{node}", "type", "veth", "peer", "name", "net", "netns", name)
        _ip("-n", router, "addr", "add", f"{gateway}/30", "dev", f"node{node}")
        _ip("-n", router, "link", "set", "dev", f"node{node}", "up")
        _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", name, "addr", "add", f"{self.address(node)}/30", "dev", "net")
        _ip("-n", name, "link", "set", "dev", "net", "up")
        _ip("-n", name, "route", "add", "default", "via", gateway)


def _names() -> list[str]:
    directory = Path("/run/netns")
    return [path.name for path in directory.iterdir()] if directory.is_dir() else []


def _sweep() -> None:
    """What a test that was killed has left goes."""
    for name in _names():
        found = NAMES.match(name)
        if found is not None and not Path(f"/proc/{found[1]}").exists():
            _remove(name)


def _remove(name: str) -> None:
    """End what runs there, and take it away with its interfaces and routes."""
    found = subprocess.run(["ip", "netns", "pids", name], check=False, capture_output=True, text=True)
    for pid in map(int, found.stdout.split()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    subprocess.run(["ip", "netns", "del", name], check=False)


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
