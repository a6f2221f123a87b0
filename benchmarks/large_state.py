"""Memory and speed over a large state: a million accounts by default, five with `--accounts 5000000`, and so on.

The accounts are made by contract calls of 400 each on a chain like the development network but with ten times its gas.
The load then pays to accounts from among them, whose places in the trie are random. Expected: at most 500 MB with a
million accounts and the default cache; at most 400 MB with five million and `--cache-mb 64`.
"""

from __future__ import annotations

import re
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import click

from benchmarks.figures import print_machine, run
from zg_node.bench.account import DEVNET_FAUCET_KEY, fresh_address
from zg_node.bench.contract import encode_call
from zg_node.bench.process import rss_bytes
from zg_node.bench.rpc import RpcClient
from zg_node.bench.run import LoadSettings, measure
from zg_node.bench.server import Server, run_node
from zg_node.bench.setup import Faucet
from zg_node.bench.signing import SigningPool
from zg_node.bench.transaction import Call
from zg_node.bench.workload import Receivers, WorkloadName
from zg_node.cli.bench import TerminalVoice
from zg_node.execution.genesis import packaged

SEED = "state"
RECIPIENTS_PER_CALL = 400
CALL_GAS = 16_000_000
CALLS_PER_STEP = 500
GAS_FACTOR = 10


def write_configuration(folder: Path, cache_mb: int) -> Path:
    """A node's configuration with a chain file like the development network's, and more gas."""
    chain, configuration = folder / "chain.toml", folder / "config.toml"
    chain.write_text(
        re.sub(
            r"^(block_gas_limit|gas_per_s) = ([0-9_]+)",
            lambda found: f"{found[1]} = {int(found[2]) * GAS_FACTOR}",
            packaged("devnet"),
            flags=re.MULTILINE,
        )
    )
    configuration.write_text(f'[network]\ngenesis = "{chain}"\n\n[state]\ncache_mb = {cache_mb}\n')
    return configuration


async def fill(server: Server, accounts: int) -> None:
    """Make the accounts that the load of seed SEED pays to, and then more of them."""
    client = RpcClient(server.shards[0])
    await client.open()
    faucet = Faucet(client, DEVNET_FAUCET_KEY, await client.number("eth_chainId"), server.fees)
    await faucet.open()
    disperse = await faucet.create("Disperse")
    started = time.monotonic()
    for first in range(0, accounts, RECIPIENTS_PER_CALL * CALLS_PER_STEP):
        calls = []
        for start in range(first, min(accounts, first + RECIPIENTS_PER_CALL * CALLS_PER_STEP), RECIPIENTS_PER_CALL):
            group = [fresh_address(SEED, index) for index in range(start, min(accounts, start + RECIPIENTS_PER_CALL))]
            calls.append(Call(disperse, CALL_GAS, len(group), encode_call("disperse(address[])", group)))
        await faucet.send(calls)
        made = min(accounts, first + RECIPIENTS_PER_CALL * CALLS_PER_STEP)
        click.echo(f"{time.monotonic() - started:7.1f} s  {made:,} accounts, {memory_mb(server):.0f} MB", err=True)
    client.close()


def memory_mb(server: Server) -> float:
    assert server.pid is not None
    return rss_bytes(server.pid) / 1e6


async def fill_and_load(accounts: int, cache_mb: int, load: LoadSettings) -> None:
    with tempfile.TemporaryDirectory(prefix="zg-state-") as folder, SigningPool() as pool:
        configuration = write_configuration(Path(folder), cache_mb)
        async with run_node(1, ["--config", str(configuration)]) as server:
            await fill(server, accounts)
            click.echo(f"{accounts:,} accounts, cache of {cache_mb} MB: {memory_mb(server):.0f} MB resident")
            existing = replace(load, seed=SEED, receivers=Receivers.NEW, transactions=min(load.transactions, accounts))
            total = (await measure(server, existing, pool, TerminalVoice())).total
            click.echo(f"{total.tps:,.0f} TPS to accounts among them, then {memory_mb(server):.0f} MB resident")


@click.command()
@click.option("--accounts", default=1_000_000, show_default=True)
@click.option("--cache-mb", default=128, show_default=True)
@click.option("--transactions", default=40_000, show_default=True)
def main(accounts: int, cache_mb: int, transactions: int) -> None:
    print_machine(f"a state of {accounts:,} accounts")
    run(fill_and_load(accounts, cache_mb, LoadSettings(WorkloadName.SIMPLE, transactions)))


if __name__ == "__main__":
    main()
