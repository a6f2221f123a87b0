"""eth_call, eth_estimateGas and eth_createAccessList: execution without a transaction."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from zg_node import _core
from zg_node.rpc.api import Context, Method, Result
from zg_node.rpc.blocks import scene
from zg_node.rpc.calls import Scene
from zg_node.rpc.encoding import quantity
from zg_node.rpc.header_override import override_header
from zg_node.rpc.params import Arguments, MalformedError

if TYPE_CHECKING:
    from zg_node.rpc.shard import Shard


def _request(context: Context, arguments: Arguments) -> _core.CallRequest:
    """Arguments 0 (transaction) and 2 (state overrides); raises InvalidRequest."""
    limits = context.shard.limits
    overrides = arguments.encoded(2, "override.StateOverride") if arguments.has(2) else None
    transaction = arguments.encoded(0, "ethapi.TransactionArgs")
    return _core.CallRequest(transaction, overrides, limits.call_gas_cap, limits.call_timeout_ms)


def _scene(context: Context, arguments: Arguments) -> Scene:
    """Arguments 1 (block) and 3 (block overrides); raises InvalidRequest."""
    seen = scene(context.shard.chain, arguments.block(1))
    if not arguments.has(3):
        return seen
    try:
        return Scene(seen.at, override_header(seen.header, arguments.fields(3, "override.BlockOverrides")))
    except MalformedError as error:
        raise arguments.invalid(3, error) from error


def call(context: Context, arguments: Arguments) -> asyncio.Future[bytes]:
    request = _request(context, arguments)
    return context.shard.caller.call(_scene(context, arguments), request)


async def estimate(shard: Shard, seen: Scene, request: _core.CallRequest) -> int:
    """Gas that the transaction needs; raises Reverted, InvalidTransaction, InvalidRequest."""
    chain = shard.chain
    return await shard.workers.run(chain.engine.estimate_gas, chain.state, seen.at, seen.header, request)


def estimate_gas(context: Context, arguments: Arguments) -> Result:
    request, seen = _request(context, arguments), _scene(context, arguments)

    async def run() -> bytes:
        return quantity(await estimate(context.shard, seen, request))

    return run()


def create_access_list(context: Context, arguments: Arguments) -> Result:
    chain = context.shard.chain
    request, seen = _request(context, arguments), _scene(context, arguments)
    return context.shard.workers.run(chain.engine.access_list_json, chain.state, seen.at, seen.header, request)


METHODS = {
    "eth_call": Method(call, 4),
    "eth_estimateGas": Method(estimate_gas, 4),
    "eth_createAccessList": Method(create_access_list, 3),
}
