"""Kill -9 at random moments under full load: what a client was told stays true, and the chain goes on."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartDevnet
from tests.devnet import PROGRAM, Devnet
from tests.faults.chaincheck import check_blocks, check_receipts, head_number
from tests.faults.load import Load
from tests.jsonrpc import Client
from tests.transfers import batches, transfer

SENDERS = 4
BATCH = 100
PER_SENDER = 1_500
LIFE_S = (0.05, 1.2)
"""A node lives this long under load."""
ROUNDS = 3
ROUNDS_LONG = int(os.environ.get("ZG_KILL_ROUNDS", "100"))
VERIFY_EVERY = 10
SEED = 20_240_229


def test_what_was_final_before_a_kill_is_final_after_it(devnet: StartDevnet) -> None:
    kill_often(devnet, ROUNDS, random.Random(SEED))


@pytest.mark.long
def test_what_was_final_before_any_of_many_kills_is_final_after_them(devnet: StartDevnet) -> None:
    kill_often(devnet, ROUNDS_LONG, random.Random(SEED + 1))


def kill_often(devnet: StartDevnet, rounds: int, rng: random.Random) -> None:
    """Load, kill, check, start, check, `rounds` times on one directory."""
    node = devnet()
    checked, survived = 0, 0
    for turn in range(rounds):
        load = one_life(node, rng)
        if turn % VERIFY_EVERY == rounds % VERIFY_EVERY:
            verify_offline(node.home)
        node.start()
        with node.client() as client:
            head = head_number(client)
            assert head >= load.head, f"round {turn}: block {load.head} was final, the head is {head} now"
            check_receipts(client, load.receipts)
            survived += sum(map(len, load.receipts.values()))
            check_blocks(client, checked, head)
            checked = head
            await_receipt(client, client.call("eth_sendRawTransaction", transfer(9, turn)))
    assert survived > 0, "no transaction became final before a kill: the load is too late"


def one_life(node: Devnet, rng: random.Random) -> Load:
    """Prepare transactions, send them all at once, and kill the node at a random moment."""
    with node.client() as client:
        nonces = client.batch("eth_getTransactionCount", [[account, "pending"] for account in accounts(node)])
    work = [list(batches(sender, int(nonces[sender], 16), PER_SENDER, BATCH)) for sender in range(SENDERS)]
    load = Load(node.url, work)
    load.start()
    time.sleep(rng.uniform(*LIFE_S))
    node.kill()
    load.join()
    return load


def accounts(node: Devnet) -> list[str]:
    return [account["address"] for account in node.ready["accounts"]]


def await_receipt(client: Client, tx_hash: str, timeout_s: float = 20.0) -> dict[str, Any]:
    """Poll for a receipt."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        receipt: dict[str, Any] | None = client.call("eth_getTransactionReceipt", tx_hash)
        if receipt is not None:
            assert receipt["status"] == "0x1"
            return receipt
        time.sleep(0.005)
    raise AssertionError(f"{tx_hash} is not final after {timeout_s} s")


def verify_offline(home: Path) -> None:
    """`zg-node db verify` recomputes every root of what the kill left."""
    done = subprocess.run(
        [*PROGRAM, "db", "verify", "--home", str(home), "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["shards"][0]["blocks"] > 0


# ── the mempool's journal ───────────────────────────────────────────────────────────────────────────────────────────


def test_waiting_transactions_come_back_after_a_kill(devnet: StartDevnet) -> None:
    node = devnet("--block-time-ms", "600000")
    ready = [transfer(0, nonce) for nonce in range(50)]
    behind_a_gap = [transfer(1, nonce) for nonce in range(1, 20)]
    with node.client() as client:
        hashes = client.batch("eth_sendRawTransaction", [[raw] for raw in ready + behind_a_gap])
        before = client.call("txpool_content")
    assert all(isinstance(item, str) for item in hashes), hashes
    await_journal(node.home / "shard-0" / "mempool.journal", sum(len(raw) // 2 - 1 for raw in ready + behind_a_gap))
    node.kill()
    node.start()
    with node.client() as client:
        assert client.call("txpool_content") == before
        assert client.call("txpool_status") == {"pending": hex(50), "queued": hex(19)}


def test_a_journal_cut_short_brings_back_what_is_whole(devnet: StartDevnet) -> None:
    node = devnet("--block-time-ms", "600000")
    raws = [transfer(0, nonce) for nonce in range(20)]
    with node.client() as client:
        client.batch("eth_sendRawTransaction", [[raw] for raw in raws])
    journal = node.home / "shard-0" / "mempool.journal"
    await_journal(journal, sum(len(raw) // 2 - 1 for raw in raws))
    node.kill()
    with journal.open("r+b") as file:
        file.truncate(journal.stat().st_size - 10)
    node.start()
    with node.client() as client:
        assert client.call("txpool_status") == {"pending": hex(19), "queued": hex(0)}


def await_journal(path: Path, size_bytes: int, timeout_s: float = 20.0) -> None:
    """The journal is appended every second: wait until it holds this much."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if path.exists() and path.stat().st_size >= size_bytes:
            return
        time.sleep(0.02)
    raise AssertionError(f"{path} does not hold {size_bytes} bytes after {timeout_s} s")
