"""`zg-node da refund`: what was paid for a blob that was never certified, paid back to whoever paid it.

commitment ─▶ Requested events, newest first ─▶ blobInfo of each ─▶ uncertified, and old enough ─▶ refund(id)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from zg_node.cli.da_contract import HoldersClient
from zg_node.cli.options import client, json_option, node_option
from zg_node.cli.output import show
from zg_node.cli.signer import signer_options
from zg_node.cli.transaction import fee_options, take_sender
from zg_node.cli.values import Hex, coins
from zg_node.contracts.da import BlobInfo
from zg_node.errors import InvalidRequest
from zg_node.keys import checksum


@click.command()
@click.argument("commitment", type=Hex(32))
@signer_options
@fee_options
@node_option
@json_option
def refund(commitment: bytes, rpc: str, as_json: bool, **options: Any) -> None:
    """Have paid back what was paid for the blob with this COMMITMENT, where no certificate came of it.

    The coins go to the account that paid, which for `zg-node da put` is the node's; anyone may ask, and pays the gas. A
    request can still be certified for a number of blocks, and is not paid back before that.
    """
    choice, fees = take_sender(options)
    holders = HoldersClient(client(rpc, 0))
    block = holders.node.quantity("eth_blockNumber")
    requests = ((blob_id, holders.blob(blob_id)) for blob_id in holders.requested(commitment))
    due, first = refundable(requests, block, holders.config().request_blocks)
    if not due:
        why = f"nothing was paid for blob 0x{commitment.hex()} that is not certified or paid back already"
        if first is not None:
            why = f"blob 0x{commitment.hex()} can be paid back from block {first} on: this is block {block}"
        raise InvalidRequest(why)
    payer = choice.open()
    sent = [holders.contract.send(payer, fees, "refund", blob_id) for blob_id, _ in due]
    refunds = [
        {
            "id": "0x" + blob_id.hex(),
            "payer": checksum(info.payer),
            "coins": coins(info.escrow),
            "transaction": step["transaction"],
        }
        for (blob_id, info), step in zip(due, sent, strict=True)
    ]
    show({"commitment": "0x" + commitment.hex(), "next_from_block": first, "refunds": refunds}, as_json)


def refundable(
    requests: Iterable[tuple[bytes, BlobInfo]], block: int, request_blocks: int
) -> tuple[list[tuple[bytes, BlobInfo]], int | None]:
    """Those of the requests that are paid back after `block`, and the first block from which on another one is; None
    when there is no other."""
    due: list[tuple[bytes, BlobInfo]] = []
    later: list[int] = []
    for blob_id, info in requests:
        if not info.requested_in or info.certified_in:
            continue
        first = info.requested_in + request_blocks + 1
        if first <= block:
            due.append((blob_id, info))
        else:
            later.append(first)
    return due, min(later, default=None)
