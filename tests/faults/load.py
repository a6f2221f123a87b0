"""Load on a node that is about to die.

Senders post batches over several connections; a watcher notes what it was told.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from tests.jsonrpc import Client, RpcError

GONE = (OSError, http.client.HTTPException, orjson.JSONDecodeError)
"""What a connection raises when the node dies in the middle of an answer."""


class Load:
    """Sends prepared batches, one connection for each sequence of them, until they are used up or the node is gone."""

    def __init__(
        self,
        url: str,
        work: Sequence[Sequence[list[str]]],
        told: Callable[[int, list[dict[str, Any]]], None] = lambda number, receipts: None,
    ) -> None:
        """`told` is called with each block's number and receipts as soon as they were seen."""
        self.accepted: list[str] = []
        """Transaction hashes that the node accepted into its mempool."""
        self.refused: list[RpcError] = []
        self.receipts: dict[int, list[dict[str, Any]]] = {}
        """Block number → its receipts, for every block that became final under this load and was seen."""
        self._url = url
        self._told = told
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._send, args=(batches,)) for batches in work]
        self._threads.append(threading.Thread(target=self._watch))

    @property
    def head(self) -> int:
        """The highest block whose receipts were seen; -1 before the first."""
        return max(self.receipts, default=-1)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self, timeout_s: float = 60.0) -> None:
        """Send everything, wait until all that was accepted is final, then stop."""
        for thread in self._threads[:-1]:
            thread.join()
        deadline = time.monotonic() + timeout_s
        while sum(map(len, list(self.receipts.values()))) < len(self.accepted):
            assert time.monotonic() < deadline, f"not everything is final after {timeout_s} s"
            time.sleep(0.005)
        self.join()

    def join(self) -> None:
        """Wait for every thread; call after the node was killed."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _send(self, batches: Sequence[list[str]]) -> None:
        with Client(self._url) as client:
            for batch in batches:
                if self._stopping.is_set():
                    return
                try:
                    answers = client.batch("eth_sendRawTransaction", [[raw] for raw in batch])
                except GONE:
                    return
                with self._lock:
                    self.accepted.extend(answer for answer in answers if isinstance(answer, str))
                    self.refused.extend(answer for answer in answers if isinstance(answer, RpcError))

    def _watch(self) -> None:
        """Ask for the receipts of every new block; a block is noted only when its answer arrived whole."""
        with Client(self._url) as client:
            try:
                number = int(client.call("eth_blockNumber"), 16) + 1
                while not self._stopping.is_set():
                    receipts = client.call("eth_getBlockReceipts", hex(number))
                    if receipts is None:
                        self._stopping.wait(0.002)
                        continue
                    self._told(number, receipts)
                    self.receipts[number] = receipts
                    number += 1
            except GONE:
                return
