"""The few JSON-RPC calls that a load test makes outside the measured path."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from zg_node.bench.http import Endpoint, Requester
from zg_node.errors import InvalidRequest, Unavailable

BATCH_MAX_ITEMS = 100
POLL_S = 0.005


class RpcClient:
    """JSON-RPC over one connection. Raises InvalidRequest for an error answer, Unavailable for a lost connection."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._requester = Requester(endpoint)
        self.endpoint = endpoint

    async def open(self) -> None:
        await self._requester.open()

    def close(self) -> None:
        self._requester.close()

    async def call(self, method: str, *params: Any) -> Any:
        return (await self.batch([(method, params)]))[0]

    async def batch(self, calls: Iterable[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Results in the order of the calls, in requests of at most BATCH_MAX_ITEMS."""
        items = [
            {"jsonrpc": "2.0", "id": index, "method": method, "params": list(params)}
            for index, (method, params) in enumerate(calls)
        ]
        results: list[Any] = [None] * len(items)
        for start in range(0, len(items), BATCH_MAX_ITEMS):
            part = items[start : start + BATCH_MAX_ITEMS]
            body = await self._requester.post(orjson.dumps(part if len(part) > 1 else part[0]))
            answers = orjson.loads(body)
            for answer in answers if isinstance(answers, list) else [answers]:
                if "error" in answer:
                    error = answer["error"]
                    raise InvalidRequest(f"{self.endpoint.url}: {error['message']}", error["code"])
                results[answer["id"]] = answer["result"]
        return results

    async def number(self, method: str, *params: Any) -> int:
        """A call whose result is a quantity."""
        return int(await self.call(method, *params), 16)

    async def nonces(self, addresses: Sequence[bytes]) -> list[int]:
        found = await self.batch(("eth_getTransactionCount", (f"0x{a.hex()}", "latest")) for a in addresses)
        return [int(value, 16) for value in found]

    async def wait_receipts(self, hashes: Sequence[bytes], timeout_s: float = 60.0) -> list[dict[str, Any]]:
        """Receipts of a few setup transactions. Raises Unavailable when one is late, InvalidRequest when one failed."""
        deadline = time.monotonic() + timeout_s
        found: dict[int, dict[str, Any]] = {}
        while len(found) < len(hashes):
            missing = [index for index in range(len(hashes)) if index not in found]
            calls = [("eth_getTransactionReceipt", (f"0x{hashes[index].hex()}",)) for index in missing]
            for index, receipt in zip(missing, await self.batch(calls), strict=True):
                if receipt is not None:
                    if receipt["status"] != "0x1":
                        raise InvalidRequest(f"setup transaction {receipt['transactionHash']} failed on chain")
                    found[index] = receipt
            if time.monotonic() > deadline:
                raise Unavailable(f"{len(hashes) - len(found)} setup transactions without a receipt in {timeout_s:g} s")
            if len(found) < len(hashes):
                await asyncio.sleep(POLL_S)
        return [found[index] for index in range(len(hashes))]


async def wait_until_serving(endpoint: Endpoint, timeout_s: float) -> None:
    """Return when eth_chainId is answered. Raises Unavailable or InvalidRequest after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        client = RpcClient(endpoint)
        try:
            await client.open()
            await client.call("eth_chainId")
            return
        except (Unavailable, InvalidRequest):  # nobody listens, or the node is still opening its chain
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.02)
        finally:
            client.close()
