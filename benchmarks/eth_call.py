"""eth_call of an ERC-20's balanceOf over 64 connections. Expected: at least 10,000 requests a second."""

from __future__ import annotations

from benchmarks.requests import request_benchmark
from zg_node.bench.account import derive_senders
from zg_node.bench.contract import encode_arguments, encode_call
from zg_node.bench.setup import SUPPLY, Faucet


async def prepare(faucet: Faucet) -> list[tuple[object, ...]]:
    """A token, and the balances of a thousand accounts to ask for."""
    token = await faucet.create("Erc20", encode_arguments("Called", "CALL", SUPPLY))
    calls = [encode_call("balanceOf(address)", account.address) for account in derive_senders("calls", 1000)]
    return [({"to": f"0x{token.hex()}", "data": f"0x{data.hex()}"}, "latest") for data in calls]


main = request_benchmark("eth_call", prepare)

if __name__ == "__main__":
    main()
