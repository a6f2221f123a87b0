"""What `zg-node testnet` prints once all nodes answer: a line of JSON for scripts, or for people the nodes, the shards,
and the commands with which one more node joins and becomes a validator."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import ceil
from pathlib import Path

import click

from zg_node.cli import home as homes
from zg_node.cli.init import GENESIS, free_ports
from zg_node.cli.testnet_homes import STAKE, Member, Size
from zg_node.config import load
from zg_node.execution.genesis import load as load_chain

PAYER = 0
"""The development account whose coins a new validator stakes."""


def say_json(members: Sequence[Member], pids: Sequence[int], datadir: Path) -> None:
    """One line: {"nodes": [{"pid", "rpc", "home"}], "genesis", "bootstrap"}."""
    nodes = [
        {"pid": pid, "rpc": member.rpc, "home": str(member.home)} for member, pid in zip(members, pids, strict=True)
    ]
    click.echo(json.dumps({"nodes": nodes, "genesis": str(datadir / GENESIS), "bootstrap": members[0].address}))


def say(members: Sequence[Member], pids: Sequence[int], size: Size, datadir: Path) -> None:
    """For people."""
    parts = ((0, size.validators, "validators"), (size.validators, size.nodes, "holders of data"))
    for first, last, what in parts:
        if first < last:
            click.secho(f"{last - first} {what}", bold=True)
        for member, pid in zip(members[first:last], pids[first:last], strict=True):
            click.echo(f"  pid {pid:<8}  {member.rpc}  {member.home}")
    click.secho(f"{size.shards} shards, at the port of every node", bold=True)
    chain = load_chain(datadir / GENESIS)
    for shard in range(size.shards):
        url = f"{members[0].rpc}/shard/{shard}" if shard else members[0].rpc
        click.echo(f"  shard {shard:<4}  chain id {chain.chain_id(shard)}  {url}")
    click.echo()
    _say_how_to_join(members[0], size, datadir)
    click.echo()
    click.echo("Ctrl-C stops them all. What the nodes say is in log.txt of each directory.")


def _say_how_to_join(first: Member, size: Size, datadir: Path) -> None:
    another = datadir / "another"
    url = f"http://127.0.0.1:{free_ports()['rpc.port']}"
    click.secho("To join with one more node", bold=True)
    click.echo(f"  zg-node init another --home {another} --genesis {datadir / GENESIS} --generate-password")
    click.echo(f"  zg-node start --home {another} --bootstrap {first.address}")
    click.secho("To validate with it, from another terminal", bold=True)
    click.echo(f"  zg-node status --rpc {url} --wait")
    click.echo(f"  zg-node validator create --home {another} --rpc {url} --dev {PAYER} --stake {STAKE}")
    click.echo(f"  zg-node validator list --rpc {url}")
    click.echo(f"It votes from the second epoch after this one on: {_wait(first, size)} while nobody uses the network.")
    click.echo(f"An epoch has {size.epoch_blocks} blocks; a network may begin with fewer (--epoch-blocks).")


def _wait(member: Member, size: Size) -> str:
    """How long two epochs are when every block is a heartbeat."""
    heartbeat_ms = load(member.home / homes.CONFIG).consensus.heartbeat_ms
    minutes = ceil(2 * size.epoch_blocks * heartbeat_ms / 60_000)
    return f"within {minutes} minutes" if minutes > 1 else "within a minute"
