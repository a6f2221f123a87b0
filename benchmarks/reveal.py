"""What the beacon costs: making a block's reveal, by its leader, and checking it, by everybody else.

Expected: 150 µs of CPU each; a proof takes four multiplications in constant time, a check four that need not be.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import click
from coincurve import PrivateKey, PublicKey

from benchmarks.figures import print_machine, spread
from zg_node import _core
from zg_node.consensus.votes import address_of
from zg_node.execution.beacon import reveal_message

KEY = PrivateKey((7).to_bytes(32, "big"))
PUBKEY = KEY.public_key.format()
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
    messages = [reveal_message(NETWORK, CHAIN_ID, number) for number in range(heights)]
    proofs = [_core.vrf_prove(KEY.secret, message) for message in messages]

    def check(number: int) -> None:
        assert address_of(PublicKey(PUBKEY))
        assert _core.vrf_verify(PUBKEY, messages[number], proofs[number])

    print_machine(f"reveal · {heights} heights")
    making = [cpu_us(heights, lambda number: _core.vrf_prove(KEY.secret, messages[number])) for _ in range(rounds)]
    checking = [cpu_us(heights, check) for _ in range(rounds)]
    mixing = [cpu_us(heights, lambda number: _core.vrf_output(proofs[number])) for _ in range(rounds)]
    click.echo(f"  making     {spread(making, 'µs')}")
    click.echo(f"  checking   {spread(checking, 'µs')}")
    click.echo(f"  mixing     {spread(mixing, 'µs')}")


if __name__ == "__main__":
    main()
