"""Sending a signed load: each connection posts its requests one after the other, as fast as a shared gate lets them.

A sender's transactions all go over one connection in nonce order, so that a server never sees a nonce gap of our
making. What happens while the clock runs is: write bytes that were rendered before, note the time, look for errors in
the answer.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson

from zg_node.bench.http import Connection, Endpoint
from zg_node.bench.transaction import Signed

ERROR_SAMPLES_MAX = 5


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request that sends one transaction or a batch of them."""

    rendered: bytes
    hashes: tuple[bytes, ...]


def render_requests(endpoint: Endpoint, transactions: Sequence[Signed], batch: int) -> list[Request]:
    """Requests of `batch` transactions each, the last one shorter; a batch of 1 is a plain call."""
    requests = []
    for start in range(0, len(transactions), batch):
        part = transactions[start : start + batch]
        calls = [
            b'{"jsonrpc":"2.0","id":%d,"method":"eth_sendRawTransaction","params":["0x%b"]}' % (index, tx.raw_hex)
            for index, tx in enumerate(part)
        ]
        body = calls[0] if batch == 1 else b"[" + b",".join(calls) + b"]"
        requests.append(Request(endpoint.render_post(body), tuple(tx.hash for tx in part)))
    return requests


def interleave(by_sender: Sequence[Sequence[Signed]]) -> list[Signed]:
    """Round-robin over the senders, each in its own order."""
    longest = max((len(transactions) for transactions in by_sender), default=0)
    return [txs[sequence] for sequence in range(longest) for txs in by_sender if sequence < len(txs)]


class Gate:
    """Says when the next request may leave: at most `outstanding_max` unfinished transactions, at most `rate_per_s`."""

    def __init__(self, outstanding_max: int, rate_per_s: float | None = None) -> None:
        self._outstanding_max = outstanding_max
        self._rate_per_s = rate_per_s
        self._started = time.monotonic()
        self._sent = 0
        self._settled = 0
        self._parked: deque[Callable[[], None]] = deque()

    def admit(self, count: int) -> bool:
        """Count `count` transactions as sent, if they may be."""
        if self._sent - self._settled + count > self._outstanding_max:
            return False
        if self._rate_per_s is not None and self._sent > (time.monotonic() - self._started) * self._rate_per_s:
            return False
        self._sent += count
        return True

    def park(self, resume: Callable[[], None]) -> None:
        """Call `resume` at one of the next ticks."""
        self._parked.append(resume)

    def settle(self, count: int) -> None:
        """`count` transactions are final or were refused."""
        self._settled += count

    def tick(self) -> None:
        """Let every parked connection try again, in the order in which they came."""
        for _ in range(len(self._parked)):
            self._parked.popleft()()


class Sender:
    """One connection's share of the load."""

    def __init__(self, endpoint: Endpoint, requests: Sequence[Request], gate: Gate) -> None:
        self.requests = requests
        self.sent_at: list[float] = []
        """Monotonic seconds at which each request was written."""
        self.rejected = 0
        """Transactions that the server refused."""
        self.errors: list[str] = []
        """A few of the server's words."""
        self.finished = False
        """Every request was written and answered."""
        self.lost: str | None = None
        """Why the connection ended early."""
        self._endpoint = endpoint
        self._gate = gate
        self._connection = Connection(self._answered, self._lost)

    async def open(self) -> None:
        await self._connection.open(self._endpoint)

    def close(self) -> None:
        self._connection.close()

    def start(self) -> None:
        """Send the first request, or wait at the gate."""
        self._send_next()

    def _send_next(self) -> None:
        at = len(self.sent_at)
        if at == len(self.requests):
            self.finished = True
            return
        request = self.requests[at]
        if self.lost is not None:
            return
        if self._gate.admit(len(request.hashes)):
            self.sent_at.append(time.monotonic())
            self._connection.send(request.rendered)
        else:
            self._gate.park(self._send_next)

    def _answered(self, body: bytes) -> None:
        if b'"error"' in body:
            self._count_errors(body, len(self.requests[len(self.sent_at) - 1].hashes))
        self._send_next()

    def _count_errors(self, body: bytes, size: int) -> None:
        answers = orjson.loads(body)
        if isinstance(answers, dict):
            answers = [answers] * size  # one error for the whole batch
        messages = [answer["error"]["message"] for answer in answers if "error" in answer]
        self.rejected += len(messages)
        self._gate.settle(len(messages))
        self.errors += messages[: ERROR_SAMPLES_MAX - len(self.errors)]

    def _lost(self, reason: str) -> None:
        self.lost = reason
