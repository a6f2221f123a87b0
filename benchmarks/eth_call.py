"""eth_call of an ERC-20's balanceOf over 64 connections. Expected: at least 10,000 requests a second."""

from __future__ import annotations

import click

from benchmarks.figures import print_machine, run, spread
from benchmarks.requests import CONNECTIONS, render_call, requests_per_second
from zg_node.bench.account import DEVNET_FAUCET_KEY, derive_senders
from zg_node.bench.contract import encode_arguments, encode_call
from zg_node.bench.rpc import RpcClient
from zg_node.bench.server import run_anvil, run_node
from zg_node.bench.setup import SUPPLY, Faucet


async def measure(repeat: int, seconds: float, peer: bool) -> list[float]:
    async with run_anvil(()) if peer else run_node(1) as server:
        endpoint = server.shards[0]
        client = RpcClient(endpoint)
        await client.open()
        faucet = Faucet(client, DEVNET_FAUCET_KEY, await client.number("eth_chainId"), server.fees)
        await faucet.open()
        token = await faucet.create("Erc20", encode_arguments("Called", "CALL", SUPPLY))
        client.close()
        requests = []
        for account in derive_senders("calls", 1000):
            data = encode_call("balanceOf(address)", account.address)
            call = {"to": f"0x{token.hex()}", "data": f"0x{data.hex()}"}
            requests.append(render_call(endpoint, "eth_call", call, "latest"))
        return [await requests_per_second(endpoint, requests, seconds) for _ in range(repeat)]


@click.command()
@click.option("--repeat", default=5, show_default=True)
@click.option("--seconds", default=3.0, show_default=True)
@click.option("--peer", is_flag=True, help="Measure anvil too.")
def main(repeat: int, seconds: float, peer: bool) -> None:
    print_machine(f"eth_call over {CONNECTIONS} connections")
    click.echo(f"zg-node: {spread(run(measure(repeat, seconds, peer=False)), 'requests/s')}")
    if peer:
        click.echo(f"anvil:   {spread(run(measure(repeat, seconds, peer=True)), 'requests/s')}")


if __name__ == "__main__":
    main()
