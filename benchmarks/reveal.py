"""What the beacon costs: signing a block's reveal, by its leader, and checking it, by everybody else.

Expected: 300 µs and 900 µs of CPU; the check is a pairing of two, a hash to G2 and two subgroup checks.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import click

from benchmarks.figures import print_machine, spread
from zg_node.execution.beacon import BLS, reveal_message
from zg_node.keys import bls_pubkey, bls_secret

VOTE_KEY = (7).to_bytes(32, "big")
NETWORK = bytes(32)
CHAIN_ID = 1_660_200


def cpu_us(count: int, work: Callable[[int], object]) -> float:
    """CPU of one call with each height below `count`."""
    began = time.process_time()
    for number in range(count):
        work(number)
    return (time.process_time() - began) * 1e6 / count


@click.command()
@click.option("--heights", default=300, show_default=True)
@click.option("--rounds", default=5, show_default=True)
def main(heights: int, rounds: int) -> None:
    """Print CPU a reveal."""
    secret, pubkey = bls_secret(VOTE_KEY), bls_pubkey(VOTE_KEY)
    messages = [reveal_message(NETWORK, CHAIN_ID, number) for number in range(heights)]
    reveals = [BLS.sign(secret, message) for message in messages]
    print_machine(f"reveal · {heights} heights")
    signing = [cpu_us(heights, lambda number: BLS.sign(secret, messages[number])) for _ in range(rounds)]
    checking = [
        cpu_us(heights, lambda number: BLS.verify(pubkey, messages[number], reveals[number])) for _ in range(rounds)
    ]
    click.echo(f"  signing    {spread(signing, 'µs')}")
    click.echo(f"  checking   {spread(checking, 'µs')}")


if __name__ == "__main__":
    main()
