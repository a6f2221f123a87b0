"""Following a chain from outside: which blocks appeared, when they were seen, and what their receipts say."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from zg_node.bench.rpc import RpcClient

BLOCKS_PER_REQUEST = 32


@dataclass(frozen=True, slots=True)
class SeenBlock:
    """A block that contains transactions."""

    number: int
    seen_at: float
    """Monotonic seconds."""
    gas_used: int
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a receipt says."""

    succeeded: bool
    gas_used: int


class Observer:
    """Finds the new blocks of one chain when asked to. On a BFT chain the latest block is final."""

    def __init__(self, client: RpcClient) -> None:
        self._client = client
        self._next = 0
        self.blocks: list[SeenBlock] = []
        self.transactions = 0

    async def open(self) -> None:
        """Blocks that exist now are not counted."""
        self._next = await self._client.number("eth_blockNumber") + 1

    async def poll(self) -> None:
        """Fetch all blocks up to the latest."""
        latest = await self._client.number("eth_blockNumber")
        seen_at = time.monotonic()
        while self._next <= latest:
            stop = min(latest + 1, self._next + BLOCKS_PER_REQUEST)
            calls = [("eth_getBlockByNumber", (hex(number), False)) for number in range(self._next, stop)]
            for number, block in enumerate(await self._client.batch(calls), start=self._next):
                hashes = tuple(bytes.fromhex(text[2:]) for text in block["transactions"])
                if hashes:
                    self.blocks.append(SeenBlock(number, seen_at, int(block["gasUsed"], 16), hashes))
                    self.transactions += len(hashes)
            self._next = stop


async def fetch_outcomes(client: RpcClient, blocks: Sequence[SeenBlock]) -> dict[bytes, Outcome]:
    """Every receipt of the blocks, by transaction hash, through eth_getBlockReceipts."""
    outcomes: dict[bytes, Outcome] = {}
    for block in blocks:  # one a request: a block of swaps has tens of megabytes of receipts
        for receipt in await client.call("eth_getBlockReceipts", hex(block.number)):
            tx_hash = bytes.fromhex(receipt["transactionHash"][2:])
            outcomes[tx_hash] = Outcome(receipt["status"] == "0x1", int(receipt["gasUsed"], 16))
    return outcomes
