"""Is everything there? What a node must answer about every block up to its head."""

from __future__ import annotations

from typing import Any

from tests.jsonrpc import Client

BATCH = 50


def head_number(client: Client) -> int:
    return int(client.call("eth_blockNumber"), 16)


def check_receipts(client: Client, seen: dict[int, list[dict[str, Any]]]) -> None:
    """Every receipt that was seen is the same now, field by field."""
    numbers = sorted(seen)
    for start in range(0, len(numbers), BATCH):
        chunk = numbers[start : start + BATCH]
        answers = client.batch("eth_getBlockReceipts", [[hex(number)] for number in chunk])
        for number, answer in zip(chunk, answers, strict=True):
            assert answer == seen[number], f"block {number} had {len(seen[number])} receipts that are not there now"


def check_blocks(client: Client, first: int, last: int) -> int:
    """No block of first … last is half there: body, receipts, both lookups, the link to its parent.

    Returns how many transactions they hold."""
    parent = client.call("eth_getBlockByNumber", hex(first - 1), False)["hash"] if first > 0 else None
    transactions = 0
    for start in range(first, last + 1, BATCH):
        numbers = [hex(number) for number in range(start, min(start + BATCH, last + 1))]
        blocks = client.batch("eth_getBlockByNumber", [[number, True] for number in numbers])
        receipts = client.batch("eth_getBlockReceipts", [[number] for number in numbers])
        by_hash = client.batch("eth_getBlockByHash", [[block["hash"], True] for block in blocks])
        for number, block, its_receipts, same in zip(numbers, blocks, receipts, by_hash, strict=True):
            assert block["number"] == number
            assert same == block, f"block {number} is another one by its hash"
            assert parent is None or block["parentHash"] == parent, f"block {number} does not follow its parent"
            parent = block["hash"]
            _check_transactions(client, block, its_receipts)
            transactions += len(its_receipts)
    return transactions


def _check_transactions(client: Client, block: dict[str, Any], receipts: list[dict[str, Any]]) -> None:
    """Body and receipts belong together, and the index finds the transactions."""
    body = block["transactions"]
    assert [item["hash"] for item in body] == [receipt["transactionHash"] for receipt in receipts]
    assert all(receipt["blockHash"] == block["hash"] for receipt in receipts)
    used = int(receipts[-1]["cumulativeGasUsed"], 16) if receipts else 0
    assert used == int(block["gasUsed"], 16)
    for index in {0, len(body) // 2, len(body) - 1} if body else ():
        assert client.call("eth_getTransactionByHash", body[index]["hash"]) == body[index]
        assert client.call("eth_getTransactionReceipt", body[index]["hash"]) == receipts[index]
