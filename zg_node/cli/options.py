"""Options that several commands share, so that one word means one thing everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from zg_node.cli.client import TIMEOUT_S, RpcClient
from zg_node.cli.values import BlockName

DEFAULT_URL = "http://127.0.0.1:8545"
DEFAULT_HOME = Path("~/.zg-node/node")
DEVNET_HOME = Path("~/.zg-node/devnet")
TESTNET_HOME = Path("~/.zg-node/testnet")

Command = TypeVar("Command", bound=Callable[..., Any])


class HomePath(click.ParamType[Path]):
    """A data directory; `~` is the user's home."""

    name = "directory"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        return Path(str(value)).expanduser().absolute()


def home_option(command: Command) -> Command:
    return click.option(
        "--home", type=HomePath(), default=DEFAULT_HOME, show_default=True, help="The node's data directory."
    )(command)


def rpc_options(command: Command) -> Command:
    """`--rpc` and `--shard`; the command takes `rpc: str, shard: int` and calls `client`."""
    command = click.option(
        "--shard", type=click.IntRange(0), default=0, show_default=True, help="Which shard of the node to ask."
    )(command)
    return node_option(command)


def node_option(command: Command) -> Command:
    """`--rpc`, where the root shard is asked; the command takes `rpc: str`."""
    return click.option("--rpc", metavar="URL", default=DEFAULT_URL, show_default=True, help="The node to ask.")(
        command
    )


def block_option(command: Command) -> Command:
    """`--block`; the command takes `block: str`, as JSON-RPC names it."""
    return click.option(
        "--block",
        type=BlockName(),
        default="latest",
        show_default=True,
        help="A block's number or hash, or latest, pending, earliest.",
    )(command)


def client(rpc: str, shard: int, timeout_s: float = TIMEOUT_S) -> RpcClient:
    """The client that `rpc_options` asked for."""
    return RpcClient(f"{rpc.rstrip('/')}/shard/{shard}" if shard else rpc, timeout_s)


def json_option(command: Command) -> Command:
    """`--json`; the command takes `as_json: bool`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")(command)
