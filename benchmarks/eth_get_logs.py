"""eth_getLogs for an address that wrote one log in a thousand, over 10,000 blocks of 100 logs. Expected: below 1 s.

The chain is built first, a block a transaction, which takes a minute or two.
"""

from __future__ import annotations

import time

import click

from benchmarks.figures import print_machine, run, spread
from zg_node.bench.account import DEVNET_FAUCET_KEY
from zg_node.bench.contract import encode_call
from zg_node.bench.rpc import RpcClient
from zg_node.bench.server import run_node
from zg_node.bench.setup import Faucet
from zg_node.bench.transaction import Call, Fees, Signer

LOGS_PER_BLOCK = 100
RARE_EVERY_BLOCKS = 10
WRITE_GAS = 400_000
NOBODY = bytes(20)


async def append_block(client: RpcClient, signer: Signer, nonce: int, call: Call) -> int:
    """Send one transaction and wait for its block; returns the block's number."""
    before = await client.number("eth_blockNumber")
    await client.call("eth_sendRawTransaction", f"0x{signer.sign(nonce, call).raw_hex.decode()}")
    while True:
        latest = await client.number("eth_blockNumber")
        if latest > before:
            return latest


async def build(client: RpcClient, fees: Fees, blocks: int) -> tuple[bytes, int, int]:
    """Write the logs; returns (the rare address, first block, last block)."""
    chain_id = await client.number("eth_chainId")
    faucet = Faucet(client, DEVNET_FAUCET_KEY, chain_id, fees)
    await faucet.open()
    common, rare = await faucet.create("LogSource"), await faucet.create("LogSource")
    signer = Signer(DEVNET_FAUCET_KEY, chain_id, fees)
    nonce = (await client.nonces([faucet.address]))[0]
    first = last = await client.number("eth_blockNumber")
    for index in range(blocks):
        also = rare if index % RARE_EVERY_BLOCKS == 0 else NOBODY
        data = encode_call("write(uint256,address)", LOGS_PER_BLOCK - (also != NOBODY), also)
        last = await append_block(client, signer, nonce + index, Call(common, WRITE_GAS, data=data))
    return rare, first + 1, last


async def query(client: RpcClient, rare: bytes, first: int, last: int) -> tuple[float, int]:
    """(seconds, logs found)."""
    wanted = {"fromBlock": hex(first), "toBlock": hex(last), "address": f"0x{rare.hex()}"}
    started = time.monotonic()
    found = await client.call("eth_getLogs", wanted)
    return time.monotonic() - started, len(found)


async def measure(blocks: int, repeat: int) -> None:
    async with run_node(1) as server:
        client = RpcClient(server.shards[0])
        await client.open()
        started = time.monotonic()
        rare, first, last = await build(client, server.fees, blocks)
        click.echo(f"built {last - first + 1:,} blocks of {LOGS_PER_BLOCK} logs in {time.monotonic() - started:.0f} s")
        first = max(first, last - blocks + 1)  # a heartbeat may have put an empty block among them
        results = [await query(client, rare, first, last) for _ in range(repeat)]
        client.close()
    click.echo(f"{results[0][1]:,} logs found: {spread([1000 * seconds for seconds, _ in results], 'ms', 1)}")


@click.command()
@click.option("--blocks", default=10_000, show_default=True)
@click.option("--repeat", default=5, show_default=True)
def main(blocks: int, repeat: int) -> None:
    print_machine(f"eth_getLogs over {blocks:,} blocks")
    run(measure(blocks, repeat))


if __name__ == "__main__":
    main()
