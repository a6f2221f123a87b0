"""The development network's shard 0 in a directory, with blocks made on demand: real state, pool and engine."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar, cast

import orjson

from tests.beacon import Silent
from tests.execution.unchanging import Unchanging
from zg_node import _core
from zg_node.clock import ManualClock
from zg_node.execution.genesis import packaged, parse
from zg_node.execution.service import Chain, ChainOptions
from zg_node.rpc import api
from zg_node.types.block import StoredBlock
from zg_node.types.hashing import ZERO_HASH

T = TypeVar("T")

GENESIS = parse(packaged("devnet"), "devnet")
START_MS = GENESIS.file.timestamp_s * 1000 + 1_000
KEYS = dict(GENESIS.development_keys)
ALICE, BOB, *_ = KEYS
NOBODY = b"\x77" * 20

ECHO_RUNTIME = bytes.fromhex("366000600037366000a0366000f3")
"""Returns its call data, and logs it without topics."""
REVERT_RUNTIME = bytes.fromhex("60206000fd")


def deployment(runtime: bytes) -> bytes:
    """Init code that deploys `runtime`, up to 255 bytes."""
    size = len(runtime)
    return bytes((0x60, size, 0x60, 12, 0x60, 0, 0x39, 0x60, size, 0x60, 0, 0xF3)) + runtime


class DevChain:
    """A chain that stands still until `mine`."""

    def __init__(self, directory: Path, history_blocks: int | None = None) -> None:
        self.clock = ManualClock(START_MS)
        self.pool = _core.Pool(
            GENESIS.chain_id(0),
            max_transactions=10_000,
            max_bytes=64 << 20,
            max_per_sender=5_000,
            max_queued_per_sender=64,
            max_queued=1_000,
            lifetime_ms=3_600_000,
            price_bump_percent=10,
            min_tip=0,
            allow_unprotected=False,
        )
        engine = _core.Engine(GENESIS.chain_id(0))
        options = ChainOptions(cache_bytes=8 << 20, history_blocks=history_blocks, flush_bytes=64 << 20)
        self.chain = Chain(0, GENESIS, ZERO_HASH, directory, engine, engine, self.pool, options, self.clock.unix_ms)
        self.chain.follow(Unchanging(), Silent())
        self._view = 0

    def node(self) -> api.Node:
        return api.Node(
            chains=(cast("api.Chain", self.chain),),
            client_version="zg_node/test",
            network="devnet",
            ready=lambda: True,
            healthy=lambda: True,
            peers=lambda: 0,
            progress=lambda shard: None,
            addresses=lambda: (),
            metrics=lambda: b"",
        )

    def mine(self) -> StoredBlock:
        """Finalise a block with whatever the pool holds."""
        self._view += 1
        self.clock.advance(100)
        block = self.chain.propose(self._view, self.chain.head.hash, bytes(20), True)
        assert block is not None
        stored = self.chain.commit(block.hash, b"")
        self.chain.announce(stored)
        return stored

    async def mined(self, work: Coroutine[Any, Any, T]) -> T:
        """Have `work` done, with blocks for whatever it sends."""
        task = asyncio.ensure_future(work)
        while not task.done():
            await asyncio.wait({task}, timeout=0.01)
            if self.chain.waiting():
                self.mine()
        return task.result()

    def sign(self, sender: bytes, nonce: int, **fields: object) -> str:
        """A signed transaction in hex; fees, gas and type 2 unless given."""
        transaction: dict[str, object] = {
            "type": "0x2",
            "chainId": hex(GENESIS.chain_id(0)),
            "nonce": hex(nonce),
            "gas": hex(300_000),
            "maxFeePerGas": hex(20 * 10**9),
            "maxPriorityFeePerGas": hex(10**9),
            "value": "0x0",
            "input": "0x",
        }
        return "0x" + _core.sign_transaction_json(orjson.dumps(transaction | fields), KEYS[sender]).hex()
