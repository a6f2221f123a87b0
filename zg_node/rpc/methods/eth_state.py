"""eth_*: accounts, code, storage and proofs at a block. State at "pending" is the head's, but for nonces and
balances, which the pool's executable transactions change."""

from __future__ import annotations

from zg_node.errors import InvalidRequest
from zg_node.rpc.api import Context, Method, Result
from zg_node.rpc.blocks import state_at
from zg_node.rpc.encoding import document, hex_data, hex_text, quantity
from zg_node.rpc.params import Arguments, MalformedError, Tag, parse_slot

Account = tuple[int, int, bytes]
"""Nonce, balance in wei, code hash."""


def _account(context: Context, arguments: Arguments) -> Account | None:
    """The account that arguments 0 (address) and 1 (block) name."""
    chain = context.shard.chain
    address = arguments.address(0)
    return chain.state.account(state_at(chain, arguments.block(1)), address)


def _code(context: Context, arguments: Arguments, code_hash: bytes) -> bytes:
    """Code at the block that argument 1 names."""
    chain = context.shard.chain
    return chain.state.code(state_at(chain, arguments.block(1)), code_hash)


def get_balance(context: Context, arguments: Arguments) -> bytes:
    """At "pending", what the account's waiting transactions will leave of it."""
    if arguments.block(1) is Tag.PENDING:
        chain = context.shard.chain
        left = chain.pool.balance(chain.state, chain.head.number, chain.next_base_fee(), arguments.address(0))
        return quantity(left)
    account = _account(context, arguments)
    return quantity(account[1] if account else 0)


def get_transaction_count(context: Context, arguments: Arguments) -> bytes:
    if arguments.block(1) is Tag.PENDING:
        chain = context.shard.chain
        return quantity(chain.pool.nonce(chain.state, chain.head.number, arguments.address(0)))
    account = _account(context, arguments)
    return quantity(account[0] if account else 0)


def get_code(context: Context, arguments: Arguments) -> bytes:
    account = _account(context, arguments)
    return hex_data(_code(context, arguments, account[2]) if account else b"")


def get_storage_at(context: Context, arguments: Arguments) -> bytes:
    chain = context.shard.chain
    address, slot = arguments.address(0), arguments.slot(1)
    value = chain.state.storage(state_at(chain, arguments.block(2)), address, slot)
    return hex_data(value.to_bytes(32, "big"))


def get_account_info(context: Context, arguments: Arguments) -> bytes:
    """Nonce, balance and code in one answer."""
    account = _account(context, arguments)
    nonce, balance, code_hash = account or (0, 0, b"")
    code = _code(context, arguments, code_hash) if account else b""
    return document({"balance": hex(balance), "nonce": hex(nonce), "code": hex_text(code)})


def get_proof(context: Context, arguments: Arguments) -> Result:
    """Merkle proofs of an account and some of its slots. EIP-1186"""
    chain, limits = context.shard.chain, context.shard.limits
    address, keys = arguments.address(0), arguments.items(1)
    if len(keys) > limits.proof_slots_max:
        raise InvalidRequest(f"too many slots (max {limits.proof_slots_max})")
    try:
        slots = [parse_slot(key) for key in keys]
    except MalformedError as error:
        raise arguments.invalid(1, error) from error
    at = state_at(chain, arguments.block(2))
    return context.shard.workers.run(chain.state.proof_json, at, address, slots)


METHODS = {
    "eth_getBalance": Method(get_balance, 2),
    "eth_getTransactionCount": Method(get_transaction_count, 2),
    "eth_getCode": Method(get_code, 2),
    "eth_getStorageAt": Method(get_storage_at, 3),
    "eth_getAccountInfo": Method(get_account_info, 2),
    "eth_getProof": Method(get_proof, 3),
}
