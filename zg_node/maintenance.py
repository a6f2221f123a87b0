"""Work on a stopped node's data: check everything, compact, carry blocks away and bring them in.

export file = magic, then records: length u32 · RLP [header, consensus header, body, finality certificate]
import      = parse ▶ check the certificate ▶ execute every block ▶ commit, as a validator would
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import rlp

from zg_node import _core
from zg_node.assembly import load_genesis, open_chain
from zg_node.clock import SystemClock
from zg_node.config import Settings, load
from zg_node.consensus.messages import Certificate, Domain, VoteKind
from zg_node.epochs import ValidatorSets
from zg_node.errors import Corrupt, InvalidBlock, InvalidConfig, InvalidMessage, Unavailable
from zg_node.execution.genesis import Genesis
from zg_node.execution.service import Chain
from zg_node.types.block import BODY_MAX_BYTES, Block, ConsensusHeader, Header, StoredBlock

MAGIC = b"zg_node blocks 1\n"
RECORD_MAX_BYTES = BODY_MAX_BYTES + 128 * 1024
PROGRESS_BLOCKS = 64

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


def verify(home: Path, progress: Progress) -> dict[str, object]:
    """Bring the databases up to the log, then recompute every root of every shard. Raises Corrupt."""
    settings, genesis = _begun(home)
    shards = []
    for shard in _shards(home):
        chain = _open(settings, genesis, home, shard)
        try:
            chain.checkpoint()
            shards.append({"shard": shard, **_verify_chain(chain, progress)})
        finally:
            chain.close()
    return {"home": str(home), "shards": shards}


def _verify_chain(chain: Chain, progress: Progress) -> dict[str, object]:
    """Everything from the block on that the shard's chain begins with here."""
    head, first = chain.head, chain.blocks.first
    count = head.number + 1 - first
    parent: StoredBlock | None = None
    transactions = 0
    for number in range(first, head.number + 1):
        block = chain.by_number(number)
        if block is None:
            raise Corrupt(f"shard {chain.shard}: block {number} is missing: bring it back with `zg-node db import`")
        if parent is not None and block.header.parent_hash != parent.hash:
            raise Corrupt(f"shard {chain.shard}: block {number} does not follow block {number - 1}")
        if block.header.extra_data != block.consensus.hash():
            raise Corrupt(f"shard {chain.shard}: block {number} has another block's consensus header")
        _core.check_block(block.header.raw, block.body, block.senders, block.receipts)
        transactions += len(block.senders) // 20
        parent = block
        if number % PROGRESS_BLOCKS == 0:
            progress(number - first, count)
    accounts, slots, root = chain.state.verify()
    if root != head.header.state_root:
        raise Corrupt(f"shard {chain.shard}: the state's root is not that of block {head.number}")
    progress(count, count)
    return {
        "first_block": first,
        "blocks": count,
        "transactions": transactions,
        "accounts": accounts,
        "slots": slots,
        "state_root": "0x" + root.hex(),
        "head": "0x" + head.hash.hex(),
    }


def compact(home: Path) -> int:
    """Compact every shard's databases; returns the bytes freed."""
    settings, genesis = _begun(home)
    before = _size(home)
    for shard in _shards(home):
        chain = _open(settings, genesis, home, shard)
        try:
            chain.truncate(chain.checkpoint())
            chain.state.compact()
            chain.blocks.compact()
        finally:
            chain.close()
    return max(0, before - _size(home))


def export(home: Path, shard: int, file: Path, first: int, last: int | None, progress: Progress) -> int:
    """Write the finalised blocks first … last of a shard; returns how many. Raises InvalidConfig."""
    settings, genesis = _begun(home)
    if shard not in _shards(home):
        raise InvalidConfig(f"{home} has no shard {shard}")
    chain = _open(settings, genesis, home, shard)
    try:
        end = chain.head.number if last is None else min(last, chain.head.number)
        if first > end:
            raise InvalidConfig(f"block {first} does not exist yet: the newest is {chain.head.number}")
        if first < chain.blocks.first:
            raise InvalidConfig(
                f"{home} began with a snapshot, and its blocks of shard {shard} begin at {chain.blocks.first}: export "
                f"from there on (--first {chain.blocks.first}), or from a node that has block {first}"
            )
        draft = file.with_name(file.name + ".part")
        with draft.open("wb") as out:
            out.write(MAGIC)
            for number in range(first, end + 1):
                block = chain.by_number(number)
                if block is None:
                    raise Corrupt(f"shard {shard}: block {number} is missing")
                record = rlp.encode([block.header.raw, block.consensus.encode(), block.body, block.certificate])
                out.write(len(record).to_bytes(4, "big") + record)
                progress(number - first + 1, end - first + 1)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(file)
        return end - first + 1
    finally:
        chain.close()


def import_(home: Path, shard: int, file: Path, progress: Progress) -> int:
    """Execute and append the blocks of `file` that the chain lacks; returns how many. Raises InvalidConfig.

    A shard that has no chain yet begins with its block 0."""
    settings, genesis = _settings(home)
    if shard >= settings.network.shards and shard not in _shards(home):
        raise InvalidConfig(f"{home} has no shard {shard}")
    sets = ValidatorSets(genesis)
    root = _open(settings, genesis, home, 0, sets) if shard else None
    chain = _open(settings, genesis, home, shard, sets)
    size, imported, waiting = file.stat().st_size, 0, 0
    try:
        for offset, block, certificate in _records(file):
            progress(offset, size)
            if block.number <= chain.head.number:
                _check_known(chain, block, file)
                continue
            chain.execute(block, certified=True)
            waiting += 1
            proof = Certificate.decode(certificate)
            if proof.block_hash != block.hash:
                continue  # final through a descendant, whose certificate comes with it
            if proof.kind is not VoteKind.FINALIZE or proof.view < block.consensus.view:
                raise InvalidConfig(f"{file}: block {block.number} comes without a proof of finality")
            epoch = block.consensus.epoch
            sets.certain(epoch).check_certificate(Domain(genesis.network, chain.chain_id, epoch), proof)
            for pending in chain.unfinalised(block.hash):
                chain.commit(pending, certificate)
            imported, waiting = imported + waiting, 0
            if chain.checkpoint_due():
                chain.truncate(chain.checkpoint())
        progress(size, size)
        return imported
    except (InvalidBlock, InvalidMessage, Unavailable) as error:
        raise InvalidConfig(f"{file} does not fit this chain after block {chain.head.number}: {error}") from error
    finally:
        chain.close()
        if root is not None:
            root.close()


def _check_known(chain: Chain, block: Block, file: Path) -> None:
    known = chain.by_number(block.number)
    if known is None or known.hash != block.hash:
        raise InvalidConfig(f"{file} holds another chain: its block {block.number} is not the one stored here")


def _records(file: Path) -> Iterator[tuple[int, Block, bytes]]:
    """(offset, block, certificate) of every record. Raises InvalidConfig."""
    with file.open("rb") as source:
        if source.read(len(MAGIC)) != MAGIC:
            raise InvalidConfig(f"{file} was not written by `zg-node db export`")
        while head := source.read(4):
            length = int.from_bytes(head, "big")
            record = source.read(min(length, RECORD_MAX_BYTES))
            if len(head) < 4 or len(record) != length:
                raise InvalidConfig(f"{file} is cut off or damaged at byte {source.tell()}")
            try:
                header, consensus, body, certificate = rlp.decode(record)
                block = Block(Header.decode(header), ConsensusHeader.decode(consensus), body)
            except (rlp.exceptions.RLPException, RecursionError, ValueError, TypeError) as error:
                raise InvalidConfig(f"{file} is damaged at byte {source.tell()}: {error}") from error
            yield source.tell(), block, certificate


def _open(settings: Settings, genesis: Genesis, home: Path, shard: int, sets: ValidatorSets | None = None) -> Chain:
    """A shard's chain; without the `sets` of an open root shard it can be read, not extended beyond epoch 1."""
    return open_chain(settings, genesis, home, shard, SystemClock().unix_ms, sets or ValidatorSets(genesis))


def _settings(home: Path) -> tuple[Settings, Genesis]:
    config = home / "config.toml"
    settings = load(config) if config.exists() else Settings()
    return settings, load_genesis(settings, home)


def _begun(home: Path) -> tuple[Settings, Genesis]:
    """The settings of a home that has a chain. Raises Unavailable."""
    if not _shards(home):
        raise Unavailable(f"{home} holds no chain yet: start the node once, or bring one in with `zg-node db import`")
    return _settings(home)


def _shards(home: Path) -> list[int]:
    names = (path.name.removeprefix("shard-") for path in home.glob("shard-*") if path.is_dir())
    return sorted(int(name) for name in names if name.isdigit())


def _size(home: Path) -> int:
    return sum(path.stat().st_size for path in home.rglob("*") if path.is_file())
