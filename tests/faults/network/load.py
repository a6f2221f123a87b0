"""Transfers in the background while nodes fail: every one is sent again until some node serves its receipt.

Each sender has a few transfers under way, at one node; when that one is gone, or slow, it goes on with the next one. A
receipt that was served is an acknowledgement: what it says must hold for ever, on every node.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from tests.faults.load import GONE
from tests.faults.network.cluster import VALIDATORS, Cluster
from tests.jsonrpc import Client, RpcError
from tests.transfers import KEYS, transfer
from zg_node.types.hashing import keccak

SENDERS = 3
"""A shard; each is a development account of its own."""
CHUNK = 10
TURN_S = 2.0
"""After so long without all receipts, ask the next node."""
POLL_S = 0.02
PAUSE_S = 0.1
JOIN_S = 60.0


class Acknowledged:
    """Receipts that were served, of all loads on a network."""

    def __init__(self, shards: int) -> None:
        self.receipts: list[dict[str, dict[str, Any]]] = [{} for _ in range(shards)]
        """By shard and transaction hash."""

    @property
    def count(self) -> int:
        return sum(map(len, self.receipts))


class Load:
    """A load, as a context: it ends with the block, and what it was told stays in `acknowledged`."""

    def __init__(self, cluster: Cluster, acknowledged: Acknowledged) -> None:
        self.acknowledged = acknowledged
        self._began_with = acknowledged.count
        self._urls = [cluster.url(node) for node in range(VALIDATORS)]
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(shard, sender), name=f"load {shard}/{sender}")
            for shard in range(cluster.shards)
            for sender in range(SENDERS)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(JOIN_S)

    @property
    def told(self) -> int:
        """How many receipts this load was served."""
        return self.acknowledged.count - self._began_with

    def _send(self, shard: int, sender: int) -> None:
        node = sender
        nonce: int | None = None
        while not self._stopping.is_set():
            try:
                with Client(f"{self._urls[node]}/shard/{shard}", TURN_S) as client:
                    if nonce is None:
                        nonce = int(client.call("eth_getTransactionCount", _address(sender), "latest"), 16)
                    while not self._stopping.is_set() and self._carry(client, shard, sender, nonce):
                        nonce += CHUNK
            except GONE:
                self._stopping.wait(PAUSE_S)
            node = (node + 1) % VALIDATORS

    def _carry(self, client: Client, shard: int, sender: int, nonce: int) -> bool:
        """Send a few transfers, and wait for their receipts; whether all came in time."""
        raws = [transfer(sender, nonce + offset, shard=shard) for offset in range(CHUNK)]
        hashes = [_hash(raw) for raw in raws]
        client.batch("eth_sendRawTransaction", [[raw] for raw in raws])  # a refusal: it is known, or final already
        deadline = time.monotonic() + TURN_S
        while time.monotonic() < deadline and not self._stopping.is_set():
            answers = client.batch("eth_getTransactionReceipt", [[tx_hash] for tx_hash in hashes])
            served = [answer for answer in answers if answer is not None and not isinstance(answer, RpcError)]
            self.acknowledged.receipts[shard] |= {receipt["transactionHash"]: receipt for receipt in served}
            if len(served) == CHUNK:
                return True
            time.sleep(POLL_S)
        return False


def _address(sender: int) -> str:
    return "0x" + KEYS[sender][0].hex()


def _hash(raw: str) -> str:
    return "0x" + keccak(bytes.fromhex(raw[2:])).hex()
