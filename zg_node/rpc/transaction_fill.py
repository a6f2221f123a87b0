"""Incomplete transaction objects to complete ones: the pure part of eth_fillTransaction and eth_sendTransaction.

What only the node knows (nonce, gas, fees) is asked for by the caller; here is which of it is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import rlp

from zg_node.errors import InvalidRequest
from zg_node.rpc.errors import SERVER_ERROR
from zg_node.rpc.params import ADDRESS_HEX, HASH_HEX, MalformedError, parse_quantity, unhex_data, unhex_fixed
from zg_node.types.hashing import keccak

QUANTITIES: Final = {
    "nonce": 64,
    "gas": 64,
    "gasPrice": 256,
    "maxFeePerGas": 256,
    "maxPriorityFeePerGas": 256,
    "value": 256,
    "chainId": 256,
}
LISTS: Final = ("accessList", "authorizationList")

Fields = dict[str, object]
"""Quantities are ints, data and addresses bytes, lists as they came."""


def parse_fields(given: Mapping[str, object]) -> Fields:
    """Check a client's transaction object; unknown and null members are dropped.

    Raises MalformedError, and InvalidRequest when the members contradict each other."""
    fields: Fields = {
        name: parse_quantity(given[name], bits) for name, bits in QUANTITIES.items() if given.get(name) is not None
    }
    for name in ("from", "to"):
        if given.get(name) is not None:
            fields[name] = unhex_fixed(given[name], ADDRESS_HEX, "common.Address")
    payloads = [unhex_data(given[name]) for name in ("input", "data") if given.get(name) is not None]
    fields["input"] = payloads[0] if payloads else b""
    for name in LISTS:
        if given.get(name) is not None:
            fields[name] = given[name]
    if "gasPrice" in fields and ("maxFeePerGas" in fields or "maxPriorityFeePerGas" in fields):
        text = "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"
        raise InvalidRequest(text, SERVER_ERROR)
    if any(payload != fields["input"] for payload in payloads):
        text = 'both "data" and "input" are set and not equal. Please use "input" to pass transaction call data'
        raise InvalidRequest(text, SERVER_ERROR)
    if "to" not in fields and not fields["input"]:
        raise InvalidRequest("contract creation without any data provided", SERVER_ERROR)
    return fields


def with_chain(fields: Fields, chain_id: int) -> Fields:
    """With the chain id; raises InvalidRequest when it names another chain."""
    given = fields.get("chainId", chain_id)
    if given != chain_id:
        raise InvalidRequest(f"chainId does not match node's (have={given}, want={chain_id})", SERVER_ERROR)
    return {"value": 0} | fields | {"chainId": chain_id}


def with_fees(fields: Fields, base_fee: int, tip: int) -> Fields:
    """With fees that two doublings of the base fee leave valid; raises InvalidRequest."""
    if "gasPrice" in fields:
        return fields
    tip = _number(fields.get("maxPriorityFeePerGas", tip))
    cap = _number(fields.get("maxFeePerGas", 2 * base_fee + tip))
    if cap < tip:
        if "maxPriorityFeePerGas" in fields:
            text = f"maxFeePerGas ({cap}) < maxPriorityFeePerGas ({tip})"
            raise InvalidRequest(text, SERVER_ERROR)
        tip = cap
    return fields | {"maxFeePerGas": cap, "maxPriorityFeePerGas": tip}


def transaction_type(fields: Fields) -> int:
    """The EIP-2718 type that the fields imply."""
    if "authorizationList" in fields:
        return 4
    if "gasPrice" not in fields:
        return 2
    return 1 if "accessList" in fields else 0


def to_json(fields: Fields) -> dict[str, object]:
    """A JSON-RPC transaction object again, with its type."""
    encoded: dict[str, object] = {"type": hex(transaction_type(fields))}
    for name, value in fields.items():
        if type(value) is int:
            encoded[name] = hex(value)
        elif type(value) is bytes:
            encoded[name] = "0x" + value.hex()
        else:
            encoded[name] = value
    return encoded


def unsigned_json(fields: Fields) -> dict[str, object]:
    """eth_fillTransaction's result: the transaction with an empty signature, as JSON and as EIP-2718 bytes."""
    raw = unsigned_bytes(fields)
    transaction = {name: value for name, value in to_json(fields).items() if name != "from"}
    transaction |= {"to": transaction.get("to"), "v": "0x0", "r": "0x0", "s": "0x0"}
    if transaction_type(fields):
        transaction |= {"yParity": "0x0", "accessList": fields.get("accessList", [])}
    return {"raw": "0x" + raw.hex(), "tx": transaction | {"hash": "0x" + keccak(raw).hex()}}


def unsigned_bytes(fields: Fields) -> bytes:
    """EIP-2718 bytes with an empty signature; raises InvalidRequest."""
    kind = transaction_type(fields)
    fees = [fields["gasPrice"]] if kind < 2 else [fields["maxPriorityFeePerGas"], fields["maxFeePerGas"]]
    items = [fields["nonce"], *fees, fields["gas"], fields.get("to", b""), fields["value"], fields["input"]]
    if kind:
        try:
            items = [fields["chainId"], *items, access_list(fields.get("accessList", []))]
            if kind == 4:
                items.append(authorizations(fields["authorizationList"]))
        except MalformedError as error:
            raise InvalidRequest(f"invalid argument 0: {error}") from error
    payload = bytes(rlp.encode([*items, 0, 0, 0]))
    return bytes((kind,)) + payload if kind else payload


def access_list(value: object) -> list[object]:
    """EIP-2930's list for RLP; raises MalformedError."""
    return [
        [
            unhex_fixed(entry.get("address"), ADDRESS_HEX, "common.Address"),
            [unhex_fixed(key, HASH_HEX, "common.Hash") for key in _items(entry.get("storageKeys") or [])],
        ]
        for entry in _objects(value, "types.AccessList")
    ]


def authorizations(value: object) -> list[object]:
    """EIP-7702's list for RLP; raises MalformedError."""
    return [
        [
            parse_quantity(entry.get("chainId"), 256),
            unhex_fixed(entry.get("address"), ADDRESS_HEX, "common.Address"),
            *(parse_quantity(entry.get(name), 256) for name in ("nonce", "yParity", "r", "s")),
        ]
        for entry in _objects(value, "[]types.SetCodeAuthorization")
    ]


def _objects(value: object, go_type: str) -> Sequence[Mapping[str, object]]:
    items = _items(value)
    if not all(type(item) is dict for item in items):
        raise MalformedError(f"json: cannot unmarshal into Go value of type {go_type}")
    return items  # type: ignore[return-value]


def _items(value: object) -> list[object]:
    if type(value) is not list:
        raise MalformedError("json: cannot unmarshal non-array into Go value of type []")
    return value


def _number(value: object) -> int:
    assert type(value) is int
    return value
