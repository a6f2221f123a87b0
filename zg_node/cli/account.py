"""`zg-node account`: what a running node knows of an account."""

from __future__ import annotations

import click

from zg_node.cli.options import block_option, client, json_option, rpc_options
from zg_node.cli.output import show
from zg_node.cli.values import Address, coins
from zg_node.keys import checksum


@click.group()
def account() -> None:
    """Look at accounts."""


@account.command()
@click.argument("address", type=Address())
@block_option
@rpc_options
@json_option
def balance(address: bytes, block: str, rpc: str, shard: int, as_json: bool) -> None:
    """Print the balance and the nonce of ADDRESS."""
    node = client(rpc, shard)
    name = checksum(address)
    wei = node.quantity("eth_getBalance", name, block)
    nonce = node.quantity("eth_getTransactionCount", name, block)
    balances = {"balance_wei": str(wei)} if as_json else {"balance": f"{coins(wei)} coins"}
    show({"address": name, **balances, "nonce": nonce}, as_json)
