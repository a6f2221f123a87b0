"""Catching up: full blocks a second from a peer's answer to the head, and a snapshot's accounts a second.

Blocks of plain transfers are served from memory, checked as a stranger's are, executed and committed, fsync on, by one
thread. The snapshot is of a state with `--accounts` accounts: cut and hashed by the one side, put together again on
disk by the other. Expected: 30,000 transfers a second in blocks, 100,000 accounts a second cut and 60,000 installed.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import orjson

from benchmarks.figures import print_machine
from tests.execution.epoch_chain import ACCOUNTS, GENESIS, MEMBERS, EpochChain
from zg_node import _core
from zg_node.consensus.sync_messages import RANGE_MAX_BLOCKS, RANGE_MAX_BODY_BYTES, BlocksRequest
from zg_node.consensus.sync_server import range_of
from zg_node.consensus.sync_verify import Fetch, Rules, Run, fetch
from zg_node.execution.snapshot import CHUNK_BYTES, IMPORT_CACHE_BYTES
from zg_node.types.hashing import EMPTY_CODE_HASH, keccak

BATCH_ACCOUNTS = 20_000


# ── blocks ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def build(source: EpochChain, blocks: int, transfers: int) -> None:
    """Blocks of transfers from all development accounts."""
    each = transfers // len(ACCOUNTS)
    for number in range(blocks):
        raws = []
        for _, key in ACCOUNTS:
            for nonce in range(number * each, (number + 1) * each):
                transaction = {
                    "type": "0x2", "chainId": hex(GENESIS.chain_id(0)), "nonce": hex(nonce), "gas": hex(21_000),
                    "maxFeePerGas": hex(10**12), "maxPriorityFeePerGas": hex(10**9), "value": "0x1", "input": "0x",
                    "to": "0x" + keccak(key + nonce.to_bytes(8, "big"))[:20].hex(),
                }  # fmt: skip
                raws.append("0x" + _core.sign_transaction_json(orjson.dumps(transaction), key).hex())
        source.clock.advance(2_000)
        source.include(raws)


def catch_up(source: EpochChain, copy: EpochChain) -> dict[str, float]:
    """Bring the copy to the source's head; seconds by stage."""
    seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        seconds[name] += time.perf_counter() - started

    rules = Rules(GENESIS.network, GENESIS.chain_id(0), lambda epoch: MEMBERS, _core.check_body)
    while copy.chain.head.number < source.chain.head.number:
        request = BlocksRequest(0, copy.chain.head.number + 1, RANGE_MAX_BLOCKS, RANGE_MAX_BODY_BYTES)
        with stage("serve"):
            answer = range_of(source.chain, request).encode()
        with stage("check"):
            run = checked(fetch(request, rules), answer)
        for block in run.blocks:
            with stage("execute"):
                copy.chain.execute(block, certified=True)
            with stage("commit"):
                copy.chain.commit(block.hash, run.certificate)
    return seconds


def checked(steps: Fetch, answer: bytes) -> Run:
    """What one answer proves."""
    next(steps)
    try:
        steps.send(answer)
    except StopIteration as done:
        if isinstance(done.value, Run):
            return done.value
    raise RuntimeError("these blocks fit into one answer, of a known epoch")


def measure_blocks(folder: Path, blocks: int, transfers: int) -> None:
    source, copy = EpochChain(folder / "source"), EpochChain(folder / "copy")
    build(source, blocks, transfers)
    stored = [source.chain.by_number(number) for number in range(1, blocks + 1)]
    size = sum(len(block.body) for block in stored if block is not None)
    count = sum(len(block.senders) // 20 for block in stored if block is not None)
    seconds = catch_up(source, copy)
    assert copy.chain.head == source.chain.head
    total = sum(seconds.values())
    click.echo(f"blocks: {blocks} of {size / blocks / 1e6:.2f} MB, {count:,} transfers in {total:.2f} s")
    click.echo(
        f"        {blocks / total:,.1f} blocks/s, {size / total / 1e6:,.1f} MB/s, {count / total:,.0f} transfers/s"
    )
    click.echo(
        "        "
        + ", ".join(f"{stage} {1000 * spent / blocks:.1f} ms" for stage, spent in seconds.items())
        + " a block"
    )
    copy.chain.close()
    source.chain.close()


# ── snapshot ────────────────────────────────────────────────────────────────────────────────────────────────────────


def diff(first: int, count: int) -> bytes:
    """The state diff that makes `count` accounts; see core/crates/types/src/diff.rs."""
    addresses = sorted(keccak(number.to_bytes(8, "big"))[:20] for number in range(first, first + count))
    tail = b"\xc0\xeb\x80\x88" + (10**18).to_bytes(8, "big") + b"\xa0" + EMPTY_CODE_HASH + b"\x80\xc0"
    accounts = b"".join(b"\xf8\x44\x94" + address + tail for address in addresses)
    listed = b"\xfa" + len(accounts).to_bytes(3, "big") + accounts
    payload = listed + b"\xc0"
    return b"\xfa" + len(payload).to_bytes(3, "big") + payload


def measure_snapshot(folder: Path, accounts: int) -> None:
    chain = EpochChain(folder / "large").chain
    state, parent = chain.state, chain.head.hash
    for first in range(0, accounts, BATCH_ACCOUNTS):
        block_hash = keccak(b"block" + first.to_bytes(8, "big"))
        state.apply(parent, block_hash, diff(first, min(BATCH_ACCOUNTS, accounts - first)))
        state.finalise(block_hash)
        parent = block_hash
        if state.pending_bytes() > 128 << 20:
            state.flush()
    state.flush()
    number, block_hash, root = state.head()
    snapshot = state.snapshot(number, CHUNK_BYTES)
    started = time.perf_counter()
    ends: list[bytes | None] = [None]
    while (end := snapshot.chunk_hash(ends[-1])[1]) is not None:
        ends.append(end)
    cut = time.perf_counter() - started
    target = _core.SnapshotImport(str(folder / "import"), IMPORT_CACHE_BYTES, number, block_hash, root)
    size, installing = 0, 0.0
    for index, after in enumerate(ends):
        chunk, _ = snapshot.chunk(after)
        size += len(chunk)
        started = time.perf_counter()
        target.add(index, chunk)
        installing += time.perf_counter() - started
    found, _ = target.counts()
    target.finish()
    click.echo(f"snapshot: {found:,} accounts, {len(ends)} chunks, {size / 1e6:.1f} MB")
    click.echo(f"          cut and hashed at {found / cut:,.0f} accounts/s, {size / cut / 1e6:,.1f} MB/s")
    click.echo(f"          installed at {found / installing:,.0f} accounts/s, {size / installing / 1e6:,.1f} MB/s")
    snapshot.close()
    chain.close(checkpoint=False)


@click.command()
@click.option("--blocks", default=16, show_default=True)
@click.option("--transfers", default=10_000, show_default=True, help="In each block.")
@click.option("--accounts", default=1_000_000, show_default=True)
def main(blocks: int, transfers: int, accounts: int) -> None:
    print_machine("block sync and snapshots")
    with tempfile.TemporaryDirectory() as folder:
        measure_blocks(Path(folder), blocks, transfers)
        measure_snapshot(Path(folder), accounts)


if __name__ == "__main__":
    main()
