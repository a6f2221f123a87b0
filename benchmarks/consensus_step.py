"""CPU of the consensus machine: four validators in memory with real signatures, a block in every view.

Expected: at most 800 µs a block and node, of which seven signature checks and signings are about 500; a lone validator
at most 250 µs. Messages are encoded and parsed as on the wire; blocks are empty and not executed.
"""

from __future__ import annotations

import time
from collections import deque

import click
from coincurve import PrivateKey

from benchmarks.figures import print_machine, spread
from zg_node.consensus import wire
from zg_node.consensus.instance import (
    Broadcast,
    Commit,
    Due,
    Effect,
    Event,
    Execute,
    Executed,
    Propose,
    Proposed,
    Received,
    Restored,
    Started,
    Timeouts,
)
from zg_node.consensus.messages import Domain, VoteKind
from zg_node.consensus.simplex import Simplex
from zg_node.consensus.votes import Signer, Validator, ValidatorSet, address_of, require
from zg_node.types.block import Block

DOMAIN = Domain(bytes(32), 1_660_200, 0)


class Cluster:
    """Validators and a queue of what they are told next."""

    def __init__(self, validators: int, blocks: list[Block]) -> None:
        """`blocks` are proposed in their order, block n in view n."""
        secrets = (PrivateKey((7 + index).to_bytes(32, "big")) for index in range(validators))
        keys = sorted(secrets, key=lambda key: address_of(key.public_key))
        members = ValidatorSet(tuple(Validator(address_of(key.public_key), 1) for key in keys))
        ground = Restored(0, blocks[0].header.parent_hash)
        self.nodes = [Simplex(members, DOMAIN, Signer(key, i), Timeouts(), ground) for i, key in enumerate(keys)]
        self.steps = 0
        self.committed = 0
        self._blocks = blocks
        self._queue: deque[tuple[int, Event | bytes]] = deque((i, Started()) for i in range(validators))

    def run(self) -> None:
        """Until every block is final on every node."""
        wanted = len(self._blocks) * len(self.nodes)
        views = [0] * len(self.nodes)
        while self.committed < wanted:
            for index, node in enumerate(self.nodes):
                if node.view != views[index]:
                    views[index] = node.view
                    self._queue.append((index, Due()))
            index, event = self._queue.popleft()
            if isinstance(event, bytes):
                event = Received(wire.decode(event)[1])
            self.steps += 1
            for effect in self.nodes[index].step(event, 0):
                self._perform(index, effect)

    def _perform(self, index: int, effect: Effect) -> None:
        match effect:
            case Broadcast(message):
                data = wire.encode(0, message)
                self._queue.extend((other, data) for other in range(len(self.nodes)) if other != index)
            case Propose(view, _):
                if view <= len(self._blocks):
                    self._queue.append((index, Proposed(view, self._blocks[view - 1])))
            case Execute(block):
                self._queue.append((index, Executed(block.hash, valid=True)))
            case Commit(blocks):
                self.committed += len(blocks)
            case _:
                pass


def signature_check_us() -> float:
    """What the machine at hand takes to check one signature now."""
    key = PrivateKey((7).to_bytes(32, "big"))
    members = ValidatorSet((Validator(address_of(key.public_key), 1),))
    claim = members.vote_claim(DOMAIN, Signer(key, 0).vote(DOMAIN, VoteKind.SKIP, 1))
    began = time.process_time()
    require([claim] * 1_000)
    return (time.process_time() - began) * 1e3


@click.command()
@click.option("--validators", default=4, show_default=True)
@click.option("--blocks", default=500, show_default=True)
@click.option("--rounds", default=5, show_default=True)
def main(validators: int, blocks: int, rounds: int) -> None:
    """Print CPU per block and node, and steps per second."""
    from tests.consensus.blocks import GENESIS, block_on

    chain = [block_on(GENESIS, 1, 0)]
    for view in range(2, blocks + 1):
        chain.append(block_on(chain[-1], view, 0))
    print_machine(f"consensus step · {validators} validators · {blocks} blocks")
    costs, rates, checks = [], [], []
    for _ in range(rounds):
        checks.append(signature_check_us())
        cluster = Cluster(validators, chain)
        began = time.process_time()
        cluster.run()
        spent = time.process_time() - began
        costs.append(spent * 1e6 / blocks / validators)
        rates.append(cluster.steps / spent)
    click.echo(f"  a block and node   {spread(costs, 'µs')}")
    click.echo(f"  events             {spread(rates, 'steps/s')}")
    click.echo(f"  a signature check  {spread(checks, 'µs')}")


if __name__ == "__main__":
    main()
