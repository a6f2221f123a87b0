"""A development chain that mines when told to, behind a server, with one HTTP client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.rpc.devchain import ALICE, DevChain, deployment
from tests.rpc.harness import HttpClient, connected, serving


class Bench:
    """A development chain with a client."""

    def __init__(self, dev: DevChain, client: HttpClient) -> None:
        self.dev = dev
        self.client = client

    async def get(self, method: str, *params: object) -> Any:
        """The result; an error fails the test."""
        answer = await self.client.call(method, *params)
        assert "result" in answer, answer
        return answer["result"]

    async def error(self, method: str, *params: object) -> tuple[int, str]:
        answer = await self.client.call(method, *params)
        assert "error" in answer, answer
        return answer["error"]["code"], answer["error"]["message"]

    async def send(self, raw: str) -> str:
        """Submit and mine; the hash."""
        tx_hash = await self.get("eth_sendRawTransaction", raw)
        self.dev.mine()
        assert isinstance(tx_hash, str)
        return tx_hash

    async def deploy(self, runtime: bytes, nonce: int) -> str:
        """Deploy with ALICE's `nonce`; the address."""
        tx_hash = await self.send(self.dev.sign(ALICE, nonce, input="0x" + deployment(runtime).hex()))
        receipt = await self.get("eth_getTransactionReceipt", tx_hash)
        assert receipt["status"] == "0x1"
        address = receipt["contractAddress"]
        assert isinstance(address, str)
        return address


@asynccontextmanager
async def bench(directory: Path, history_blocks: int | None = None) -> AsyncIterator[Bench]:
    dev = DevChain(directory, history_blocks)
    try:
        async with serving(node=dev.node()) as server, connected(server) as client:
            yield Bench(dev, client)
    finally:
        dev.chain.close()
