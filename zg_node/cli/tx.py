"""`zg-node tx`: send transactions, deploy and call contracts, read receipts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from zg_node.cli import abi
from zg_node.cli.artifact import Artifact
from zg_node.cli.options import block_option, client, json_option, rpc_options
from zg_node.cli.output import show
from zg_node.cli.signer import signer_options
from zg_node.cli.transaction import fee_options, report, send_transaction, take_sender
from zg_node.cli.values import Address, Amount, Hex
from zg_node.contracts.abi import parse_function
from zg_node.errors import Unavailable
from zg_node.keys import checksum


@click.group()
def tx() -> None:
    """Send transactions, deploy and call contracts."""


@tx.command()
@click.argument("to", type=Address())
@click.argument("signature", required=False)
@click.argument("arguments", nargs=-1)
@click.option("--value", type=Amount(), default=0, help="Coins to send: 1.5, 3gwei, 10wei.")
@click.option("--data", type=Hex(), help="Call data, instead of SIGNATURE and ARGUMENTS.")
@signer_options
@fee_options
@rpc_options
@json_option
def send(
    to: bytes,
    signature: str | None,
    arguments: tuple[str, ...],
    value: int,
    data: bytes | None,
    rpc: str,
    shard: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Send coins TO an address, or call a function there, and wait until that is final.

    \b
    zg-node tx send 0x7099…79C8 --value 1.5 --dev 0
    zg-node tx send 0x5FbD…0aa3 'transfer(address,uint256)' 0x7099…79C8 1000 --dev 0
    """
    if data is not None and signature is not None:
        raise click.UsageError("give either --data or SIGNATURE, not both")
    payload = abi.encode_call(parse_function(signature), arguments) if signature else data or b""
    signer, fees = take_sender(options)
    report(send_transaction(client(rpc, shard), signer, fees, to, value, payload), as_json)


@tx.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("arguments", nargs=-1)
@click.option("--value", type=Amount(), default=0, help="Coins for the constructor: 1.5, 3gwei, 10wei.")
@signer_options
@fee_options
@rpc_options
@json_option
def deploy(
    file: Path, arguments: tuple[str, ...], value: int, rpc: str, shard: int, as_json: bool, **options: Any
) -> None:
    """Deploy the contract in FILE with its constructor's ARGUMENTS, and print its address.

    FILE is an artifact of Hardhat, Foundry or this project (JSON with "bytecode" and "abi"), or creation code in
    hexadecimal.
    """
    code = Artifact.load(file).creation_code(arguments)
    signer, fees = take_sender(options)
    report(send_transaction(client(rpc, shard), signer, fees, None, value, code), as_json)


@tx.command()
@click.argument("to", type=Address())
@click.argument("signature", required=False)
@click.argument("arguments", nargs=-1)
@click.option("--data", type=Hex(), help="Call data, instead of SIGNATURE and ARGUMENTS.")
@click.option("--from", "sender", type=Address(), help="Who the contract sees as its caller.")
@block_option
@rpc_options
@json_option
def call(
    to: bytes,
    signature: str | None,
    arguments: tuple[str, ...],
    data: bytes | None,
    sender: bytes | None,
    block: str,
    rpc: str,
    shard: int,
    as_json: bool,
) -> None:
    """Ask a contract without changing anything, and print what it returns.

    \b
    zg-node tx call 0x5FbD…0aa3 'balanceOf(address)(uint256)' 0x7099…79C8
    """
    if (data is None) == (signature is None):
        raise click.UsageError("give either SIGNATURE with ARGUMENTS, or --data")
    parsed = parse_function(signature) if signature else None
    payload = abi.encode_call(parsed, arguments) if parsed else data or b""
    request = {"to": checksum(to), "input": "0x" + payload.hex()}
    if sender is not None:
        request["from"] = checksum(sender)
    result = client(rpc, shard).call("eth_call", request, block)
    if not isinstance(result, str):
        raise Unavailable(f"{rpc} answered eth_call with {result!r}")
    values = abi.decode_answer(parsed, Hex().convert(result, None, None)) if parsed and parsed.outputs else None
    if as_json:
        show({"data": result, "values": values}, as_json)
    elif values is None:
        click.echo(result)
    else:
        for item in values:
            click.echo(item if isinstance(item, str) else json.dumps(item))


@tx.command()
@click.argument("tx_hash", metavar="HASH", type=Hex(32))
@click.option(
    "--wait", type=click.FloatRange(0), default=0, show_default=True, help="Seconds to wait until it is final."
)
@rpc_options
@json_option
def receipt(tx_hash: bytes, wait: float, rpc: str, shard: int, as_json: bool) -> None:
    """Print the receipt of the transaction HASH."""
    found = client(rpc, shard).wait_receipt("0x" + tx_hash.hex(), wait)
    if not as_json:
        found = {key: value for key, value in found.items() if key != "logsBloom"}
    show(found, as_json)
