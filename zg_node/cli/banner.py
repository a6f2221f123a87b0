"""What a development network tells its user: where it listens, whose keys it knows, what happens."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

import click

from zg_node.cli.values import coins
from zg_node.execution.genesis import FundedAccount
from zg_node.node import BlockLine, Node

MNEMONIC = "test test test test test test test test test test test junk"
"""What the packaged development network's accounts are derived from, at m/44'/60'/0'/0/i."""


@dataclass(frozen=True, slots=True)
class Voice:
    """How one style of output tells of the three things that happen."""

    ready: Callable[[Node], None]
    block: Callable[[BlockLine], None] | None
    stopping: Callable[[], None] | None


def for_people(kept_shards: int) -> Voice:
    """A banner, a line for every block that holds transactions, a goodbye.

    `kept_shards` is how many shards the data directory held before the start."""
    return Voice(lambda node: _banner(node, kept_shards), _block_line, lambda: click.echo("\nstopping …"))


def for_scripts() -> Voice:
    """A JSON object a line: {"event": "ready", …}, then {"event": "block", …} for every block, empty ones too."""
    return Voice(
        lambda node: _emit({"event": "ready", **_facts(node)}), _block_event, lambda: _emit({"event": "stopping"})
    )


def silent() -> Voice:
    """Nothing but the logs."""
    return Voice(lambda _: None, None, None)


def _banner(node: Node, kept_shards: int) -> None:
    click.secho(f"zg_node {metadata.version('zg-node')} · development network", bold=True)
    click.echo()
    click.echo("Accounts, with their private keys")
    for index, account in enumerate(_known(node)):
        click.echo(f"  {index}  {account.address}  {account.private_key}  {coins(int(account.balance_wei))} at genesis")
    click.echo(f"  Mnemonic  {MNEMONIC}")
    click.secho(
        "  The whole world knows these keys: whatever these accounts get on a public network is gone.", fg="yellow"
    )
    click.echo()
    width = max(len(info.url) for info in node.shards)
    for info in node.shards:
        socket = info.url.replace("http", "ws", 1)
        click.echo(f"Shard {info.index}   chain id {info.chain_id}   {info.url:<{width}}   {socket}")
    if node.settings.metrics.enabled and node.settings.metrics.port:
        click.echo(f"Metrics   http://{node.settings.metrics.host}:{node.settings.metrics.port}/metrics")
    click.echo(f"Data      {node.home} ({past(kept_shards, len(node.shards))}; --reset begins anew)")
    click.echo()
    click.echo("Ctrl-C stops it. A line for every block with transactions follows.")


def past(kept: int, running: int) -> str:
    """What the data directory brings into this start."""
    if not kept:
        return "kept when the network stops"
    held = "its shard goes" if kept == 1 else f"its {kept} shards go"
    added = {0: "", 1: ", 1 is new"}.get(running - kept, f", {running - kept} are new")
    return f"{held} on where the last start stopped{added}"


def _block_line(line: BlockLine) -> None:
    if line.transactions == 0:
        return
    clock = time.strftime("%H:%M:%S", time.localtime(line.timestamp_ms / 1000))
    noun = "transaction" if line.transactions == 1 else "transactions"
    click.echo(
        f"{clock}  shard {line.shard}  block {line.number}  {line.transactions:,} {noun}  {line.gas_used:,} gas"
        f"  0x{line.hash.hex()}"
    )


def _block_event(line: BlockLine) -> None:
    _emit(
        {
            "event": "block",
            "shard": line.shard,
            "number": line.number,
            "hash": "0x" + line.hash.hex(),
            "transactions": line.transactions,
            "gas_used": line.gas_used,
            "timestamp_ms": line.timestamp_ms,
        }
    )


def _facts(node: Node) -> dict[str, object]:
    return {
        "shards": [{"index": info.index, "chain_id": info.chain_id, "url": info.url} for info in node.shards],
        "accounts": [{"address": account.address, "private_key": account.private_key} for account in _known(node)],
        "mnemonic": MNEMONIC,
        "home": str(node.home),
    }


def _known(node: Node) -> list[FundedAccount]:
    return [account for account in node.genesis.file.accounts if account.private_key]


def _emit(event: dict[str, object]) -> None:
    click.echo(json.dumps(event))
