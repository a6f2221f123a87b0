"""Signed transactions from outside. The ordinary eth_sendRawTransaction never gets here: see submit.py."""

from __future__ import annotations

from zg_node.errors import InvalidRequest
from zg_node.rpc.api import Context, Method, Result
from zg_node.rpc.encoding import hex_data
from zg_node.rpc.errors import SyncTimeout
from zg_node.rpc.methods.eth_transactions import receipt
from zg_node.rpc.params import Arguments


async def submit(context: Context, raw: str) -> bytes:
    """The hash that the pool accepted; raises InvalidRequest with the pool's reason."""
    outcome = await context.shard.submitter.submit_one(raw, context.lane)
    if type(outcome) is bytes:
        return outcome
    code, message = outcome
    assert type(code) is int
    assert type(message) is str
    raise InvalidRequest(message, code)


async def _send_raw(context: Context, raw: str) -> bytes:
    return hex_data(await submit(context, raw))


def _raw(arguments: Arguments) -> str:
    return "0x" + arguments.data(0).hex()


def send_raw_transaction(context: Context, arguments: Arguments) -> Result:
    return _send_raw(context, _raw(arguments))


def send_raw_transaction_sync(context: Context, arguments: Arguments) -> Result:
    """Submit, and answer with the receipt. EIP-7966; the timeout is in milliseconds."""
    limits = context.shard.limits
    timeout_ms = arguments.count(1) if arguments.has(1) else limits.sync_wait_default_ms
    return _send_raw_sync(context, _raw(arguments), min(timeout_ms, limits.sync_wait_max_ms))


async def _send_raw_sync(context: Context, raw: str, timeout_ms: int) -> bytes:
    tx_hash = await submit(context, raw)
    try:
        place = await context.shard.receipts.wait(tx_hash, timeout_ms / 1000)
    except TimeoutError as error:
        text = f"The transaction was added to the transaction pool but wasn't processed in {timeout_ms}ms"
        raise SyncTimeout(text, tx_hash) from error
    found = receipt(context, *place)
    return found if isinstance(found, bytes) else await found


METHODS = {
    "eth_sendRawTransaction": Method(send_raw_transaction, 1),
    "eth_sendRawTransactionSync": Method(send_raw_transaction_sync, 2),
}
