"""From what a person asks for to a final transaction: fill in, sign, submit, wait."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from zg_node.cli.client import RpcClient
from zg_node.cli.output import show
from zg_node.cli.signer import Signer, SignerChoice
from zg_node.cli.values import Amount
from zg_node.errors import Unavailable
from zg_node.keys import address_of, checksum

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Fees:
    """What `fee_options` say; None is for the node to fill in."""

    gas: int | None
    max_fee: int | None
    """Wei per gas, base fee and tip together."""
    tip: int | None
    """Wei per gas."""
    nonce: int | None
    timeout: float
    """Seconds to wait for finality; 0 does not wait."""


def fee_options(command: Command) -> Command:
    """The options that make a `Fees`; the command takes them by their names there."""
    command = click.option(
        "--timeout",
        type=click.FloatRange(0),
        default=30,
        show_default=True,
        help="Seconds to wait until it is final; 0 prints the hash and leaves.",
    )(command)
    command = click.option("--nonce", type=click.IntRange(0), help="The sender's nonce. [default: the next]")(command)
    command = click.option("--tip", type=Amount(), help="Priority fee per gas, as 2gwei. [default: the node's]")(
        command
    )
    command = click.option("--max-fee", type=Amount(), help="Most to pay per gas. [default: twice the base fee]")(
        command
    )
    return click.option("--gas", type=click.IntRange(21_000), help="Gas limit. [default: the node's estimate]")(command)


def take_sender(options: dict[str, Any]) -> tuple[SignerChoice, Fees]:
    """The signer's options and the fees', which click hands over in one heap."""
    fees = {name: options.pop(name) for name in Fees.__dataclass_fields__}
    return SignerChoice(**options), Fees(**fees)


def report(result: dict[str, object], as_json: bool) -> None:
    """Show what became of a transaction; exit code 1 when it reverted."""
    show(result, as_json)
    if result.get("status") == "reverted":
        click.get_current_context().exit(1)


def send_transaction(
    node: RpcClient, signer: Signer, fees: Fees, to: bytes | None, value: int, data: bytes
) -> dict[str, object]:
    """Send and wait; `to` None creates a contract. Returns what to print.

    Raises InvalidConfig, InvalidRequest, Reverted (the estimate shows that it would), Unavailable.
    """
    from zg_node._core import sign_transaction_json  # the commands that only read work without the core

    secret = signer.secret()
    request = _fill(node, checksum(address_of(secret)), fees, to, value, data)
    raw = sign_transaction_json(json.dumps(request).encode(), secret)
    tx_hash = node.call("eth_sendRawTransaction", "0x" + raw.hex())
    if not isinstance(tx_hash, str):
        raise Unavailable(f"{node.url} answered eth_sendRawTransaction with {tx_hash!r}")
    if fees.timeout == 0:
        return {"transaction": tx_hash}
    receipt = node.wait_receipt(tx_hash, fees.timeout)
    reverted, gas_used = receipt.get("status") != "0x1", int(str(receipt["gasUsed"]), 16)
    return {
        "transaction": tx_hash,
        "status": "reverted" if reverted else "success",
        "block": int(str(receipt["blockNumber"]), 16),
        "gas_used": gas_used,
        **({"reason": "it used all its gas: see --gas"} if reverted and hex(gas_used) == request["gas"] else {}),
        **({"contract": _contract(receipt)} if to is None else {}),
    }


def _contract(receipt: dict[str, Any]) -> str:
    """The created contract's address with its checksum. Raises Unavailable when the node gives none."""
    address = str(receipt.get("contractAddress"))
    if not re.fullmatch(r"0x[0-9a-fA-F]{40}", address):
        raise Unavailable(f"the receipt of {receipt.get('transactionHash')} names no contract: {address}")
    return checksum(bytes.fromhex(address[2:]))


def _fill(node: RpcClient, sender: str, fees: Fees, to: bytes | None, value: int, data: bytes) -> dict[str, object]:
    """A complete EIP-1559 transaction object; asks the node for what the person left open."""
    request: dict[str, object] = {"from": sender, "value": hex(value), "input": "0x" + data.hex()}
    if to is not None:
        request["to"] = checksum(to)
    tip = fees.tip if fees.tip is not None else node.quantity("eth_maxPriorityFeePerGas")
    max_fee = fees.max_fee if fees.max_fee is not None else 2 * node.quantity("eth_gasPrice") + tip
    nonce = fees.nonce if fees.nonce is not None else node.quantity("eth_getTransactionCount", sender, "pending")
    request |= {
        "type": "0x2",
        "chainId": hex(node.quantity("eth_chainId")),
        "nonce": hex(nonce),
        "maxFeePerGas": hex(max_fee),
        "maxPriorityFeePerGas": hex(min(tip, max_fee)),
    }
    gas = fees.gas if fees.gas is not None else node.quantity("eth_estimateGas", request)
    return {**request, "gas": hex(gas)}
