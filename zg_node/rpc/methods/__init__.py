"""The methods, one file for each family; `method_table` is the index.

A handler takes (Context, Arguments) and returns encoded JSON: bytes where it costs microseconds, a coroutine or a
future where it does not. It raises what errors.py maps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zg_node.rpc.api import Method
from zg_node.rpc.methods import (
    da,
    eth_blocks,
    eth_call,
    eth_chain,
    eth_fees,
    eth_filters,
    eth_send,
    eth_sign,
    eth_state,
    eth_subscribe,
    eth_transactions,
    net,
    personal,
    txpool,
    web3,
    zg,
)
from zg_node.rpc.methods import rpc as rpc_modules

FAMILIES: tuple[Mapping[str, Method], ...] = (
    da.METHODS,
    eth_blocks.METHODS,
    eth_call.METHODS,
    eth_chain.METHODS,
    eth_fees.METHODS,
    eth_filters.METHODS,
    eth_send.METHODS,
    eth_sign.METHODS,
    eth_state.METHODS,
    eth_subscribe.METHODS,
    eth_transactions.METHODS,
    net.METHODS,
    personal.METHODS,
    rpc_modules.METHODS,
    txpool.METHODS,
    web3.METHODS,
    zg.METHODS,
)


def method_table(namespaces: Sequence[str]) -> dict[str, Method]:
    """Every method of `namespaces` by its full name."""
    return {
        name: method for family in FAMILIES for name, method in family.items() if name.partition("_")[0] in namespaces
    }
