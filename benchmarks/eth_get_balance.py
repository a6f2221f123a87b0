"""eth_getBalance over 64 connections, spread over a thousand accounts. Expected: at least 10,000 requests a second."""

from __future__ import annotations

from benchmarks.requests import request_benchmark
from zg_node.bench.account import derive_senders
from zg_node.bench.setup import Faucet, fund


async def prepare(faucet: Faucet) -> list[tuple[object, ...]]:
    """A thousand funded accounts to ask about."""
    accounts = derive_senders("balances", 1000)
    await fund(faucet, accounts, 10**15)
    return [(f"0x{account.address.hex()}", "latest") for account in accounts]


main = request_benchmark("eth_getBalance", prepare)

if __name__ == "__main__":
    main()
