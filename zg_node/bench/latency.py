"""Send-to-final latency on an idle chain: one transfer at a time, from its request written to its receipt read."""

from __future__ import annotations

import asyncio
import time

from zg_node.bench.account import Account, fresh_address
from zg_node.bench.http import Endpoint
from zg_node.bench.measurement import Latency
from zg_node.bench.rpc import RpcClient
from zg_node.bench.transaction import Call, Fees, Signer
from zg_node.errors import Unavailable

POLL_S = 0.001
PAUSE_S = 0.025
"""Between two transfers, so that the chain is idle again."""
TIMEOUT_S = 30.0


async def idle_latency(endpoint: Endpoint, key: bytes, fees: Fees, samples: int, *, polling: bool = True) -> Latency:
    """Poll for the receipt, as clients of any node do, or have the node answer with it (EIP-7966): a poll a millisecond
    takes the processor from what it watches. Raises Unavailable when a transfer takes longer than TIMEOUT_S."""
    client = RpcClient(endpoint)
    await client.open()
    try:
        signer = Signer(key, await client.number("eth_chainId"), fees)
        nonce = (await client.nonces([Account.of(key).address]))[0]
        seconds = []
        time_one = _poll if polling else _wait
        for index in range(samples):
            signed = signer.sign(nonce + index, Call(fresh_address("idle", index), 21_000, value=1))
            await asyncio.sleep(PAUSE_S)
            seconds.append(await time_one(client, signed.raw_hex.decode(), signed.hash))
    finally:
        client.close()
    return Latency.of(seconds)


async def _poll(client: RpcClient, raw_hex: str, tx_hash: bytes) -> float:
    written = time.monotonic()
    await client.call("eth_sendRawTransaction", f"0x{raw_hex}")
    while await client.call("eth_getTransactionReceipt", f"0x{tx_hash.hex()}") is None:
        if time.monotonic() - written > TIMEOUT_S:
            raise Unavailable(f"transfer 0x{tx_hash.hex()} has no receipt after {TIMEOUT_S:g} s")
        await asyncio.sleep(POLL_S)
    return time.monotonic() - written


async def _wait(client: RpcClient, raw_hex: str, tx_hash: bytes) -> float:
    written = time.monotonic()
    receipt = await client.call("eth_sendRawTransactionSync", f"0x{raw_hex}", hex(int(TIMEOUT_S * 1000)))
    assert receipt["transactionHash"] == f"0x{tx_hash.hex()}"
    return time.monotonic() - written
