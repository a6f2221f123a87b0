"""Transactions that this node completes, and, for development accounts, signs.

Development accounts exist on development networks only and answer loopback clients only: their keys are public, but
whoever can ask a node to sign should at least be on its machine.
"""

from __future__ import annotations

from collections.abc import Mapping

import coincurve

from zg_node import _core
from zg_node.errors import InvalidRequest
from zg_node.rpc.api import Context, Method, Result
from zg_node.rpc.blocks import scene
from zg_node.rpc.encoding import document, hex_data, hex_text
from zg_node.rpc.errors import SERVER_ERROR
from zg_node.rpc.methods.eth_call import estimate
from zg_node.rpc.methods.eth_send import submit
from zg_node.rpc.params import Arguments, MalformedError, Tag
from zg_node.rpc.transaction_fill import (
    Fields,
    parse_fields,
    to_json,
    unsigned_json,
    with_chain,
    with_fees,
)


def key_of(context: Context, address: bytes) -> bytes:
    """A development account's key; raises InvalidRequest."""
    keys = _keys(context)
    if not keys:
        raise InvalidRequest("this node keeps no keys: sign in a wallet and use eth_sendRawTransaction", SERVER_ERROR)
    if not context.local:
        raise InvalidRequest("development accounts answer clients on this machine only", SERVER_ERROR)
    key = keys.get(address)
    if key is None:
        raise InvalidRequest("unknown account", SERVER_ERROR)
    return key


def _keys(context: Context) -> Mapping[bytes, bytes]:
    return context.shard.chain.development_keys


def sign_message(context: Context, address: bytes, message: bytes) -> bytes:
    """65 bytes r ‖ s ‖ v over the prefixed message. EIP-191, version 0x45"""
    key = key_of(context, address)
    digest = _core.keccak256(b"\x19Ethereum Signed Message:\n%d" % len(message) + message)
    signature = coincurve.PrivateKey(key).sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes((27 + signature[64],))


def accounts(context: Context, arguments: Arguments) -> bytes:
    known = _keys(context) if context.local else {}
    return document([hex_text(address) for address in known])


def sign(context: Context, arguments: Arguments) -> bytes:
    return hex_data(sign_message(context, arguments.address(0), arguments.data(1)))


def _fields(arguments: Arguments, chain_id: int) -> Fields:
    try:
        return with_chain(parse_fields(arguments.fields(0)), chain_id)
    except MalformedError as error:
        raise arguments.invalid(0, error) from error


async def _complete(context: Context, fields: Fields) -> Fields:
    """With nonce, fees and gas where the client left them out."""
    shard = context.shard
    chain = shard.chain
    sender = fields.get("from", bytes(20))
    assert isinstance(sender, bytes)
    if "nonce" not in fields:
        fields = fields | {"nonce": chain.pool.nonce(chain.state, chain.head.number, sender)}
    fields = with_fees(fields, chain.next_base_fee(), await shard.tips.suggest())
    if "gas" in fields:
        return fields
    asked = {name: value for name, value in to_json(fields).items() if name != "nonce"}  # earlier ones may be pending
    limits = shard.limits
    request = _core.CallRequest(document(asked), None, limits.call_gas_cap, limits.call_timeout_ms)
    return fields | {"gas": await estimate(shard, scene(chain, Tag.PENDING), request)}


def fill_transaction(context: Context, arguments: Arguments) -> Result:
    fields = _fields(arguments, context.shard.chain.chain_id)

    async def run() -> bytes:
        return document(unsigned_json(await _complete(context, fields)))

    return run()


def _signer(context: Context, fields: Fields) -> bytes:
    sender = fields.get("from")
    if not isinstance(sender, bytes):
        raise InvalidRequest('invalid argument 0: "from" is missing')
    return key_of(context, sender)


def sign_transaction(context: Context, arguments: Arguments) -> bytes:
    """Sign a transaction that is complete but for its chain id."""
    fields = _fields(arguments, context.shard.chain.chain_id)
    key = _signer(context, fields)
    if "gas" not in fields:
        raise InvalidRequest("gas not specified", SERVER_ERROR)
    if "gasPrice" not in fields and not {"maxFeePerGas", "maxPriorityFeePerGas"} <= fields.keys():
        raise InvalidRequest("missing gasPrice or maxFeePerGas/maxPriorityFeePerGas", SERVER_ERROR)
    if "nonce" not in fields:
        raise InvalidRequest("nonce not specified", SERVER_ERROR)
    raw = _core.sign_transaction_json(document(to_json(fields)), key)
    return b'{"raw":' + hex_data(raw) + b',"tx":' + _core.decode_transaction_json(raw) + b"}"


def send_transaction(context: Context, arguments: Arguments) -> Result:
    fields = _fields(arguments, context.shard.chain.chain_id)
    key = _signer(context, fields)

    async def run() -> bytes:
        async with context.shard.signing:
            complete = await _complete(context, fields)
            raw = _core.sign_transaction_json(document(to_json(complete)), key)
            return hex_data(await submit(context, hex_text(raw)))

    return run()


METHODS = {
    "eth_accounts": Method(accounts, 0),
    "eth_sign": Method(sign, 2),
    "eth_fillTransaction": Method(fill_transaction, 1),
    "eth_signTransaction": Method(sign_transaction, 1),
    "eth_sendTransaction": Method(send_transaction, 1),
}
