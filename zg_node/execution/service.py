"""One shard's chain: the shell that joins engine, state, log, block store and mempool.

    propose ─▶ beacon.reveal, validation.plan ─▶ engine.build ──┐
    execute ─▶ validation.check, beacon.check ─▶ engine.execute ─▶ overlay in State, `_pending`
    commit  ─▶ log.append (fdatasync: the commit point) ─▶ State.finalise ─▶ blocks.add ─▶ pool.commit ─▶ new head
    checkpoint ─▶ State.flush, blocks.checkpoint ─▶ log.truncate

`propose`, `execute`, `commit` and `truncate` are called from one thread at a time; `checkpoint` from another; reads
from any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import thread_time
from typing import Protocol

from zg_node import _core
from zg_node.db.blocks import BlockStore
from zg_node.db.durable import make_database, make_directory, sync_directory
from zg_node.db.files import SYSTEM, Files
from zg_node.db.log import BlockLog, BlockRecord
from zg_node.errors import Corrupt, InvalidBlock, InvalidConfig, Unavailable
from zg_node.execution.beacon import Beacon
from zg_node.execution.engine import Engine
from zg_node.execution.fees import next_state
from zg_node.execution.genesis import Genesis
from zg_node.execution.validation import Lineage, Rules, check, plan
from zg_node.types.block import BODY_MAX_BYTES, Block, ConsensusHeader, Header, StoredBlock

LOG_UNFLUSHED_MAX_BLOCKS = 4096
"""A checkpoint is due after this many blocks, however small they are."""


SystemCalls = Sequence[tuple[bytes, bytes]]
"""(contract, call data), made by the protocol at a block's end."""


class Epochs(Protocol):
    """What blocks say about epochs; called in the shard's worker thread."""

    def lineage(self, number: int, parent: ConsensusHeader, child: ConsensusHeader | None) -> Lineage:
        """What `child` says, or when it is None, a new child of the block with this height and consensus header.

        Raises InvalidBlock when it must not say so, Unavailable when this node does not know enough yet."""
        ...

    def closing_calls(self, number: int, parent: ConsensusHeader, epoch: int, view: int) -> SystemCalls:
        """What the block of this height, epoch and view after `parent` ends with."""
        ...

    def committed(self, block: StoredBlock) -> None:
        """A block is final and durable."""
        ...


@dataclass(frozen=True, slots=True)
class ChainOptions:
    """What a shard needs from the configuration."""

    cache_bytes: int
    history_blocks: int | None
    """None keeps everything."""
    flush_bytes: int


class Chain:
    """A shard's finalised chain and its unfinalised blocks. Satisfies what `rpc` asks of a chain."""

    def __init__(
        self,
        shard: int,
        genesis: Genesis,
        set_hash: bytes,
        directory: Path,
        engine: Engine,
        calls: _core.Engine,
        pool: _core.Pool,
        options: ChainOptions,
        now_ms: Callable[[], int],
        progress: Callable[[int], None] = lambda blocks: None,
        files: Files = SYSTEM,
    ) -> None:
        """Open or create `directory` and replay the log. Raises Corrupt, Unavailable, InvalidConfig.

        `calls` answers eth_call and its kind; `progress` is told how many blocks were replayed."""
        make_directory(directory)
        self.shard = shard
        self.chain_id = genesis.chain_id(shard)
        self.pool = pool
        self.engine = calls
        self.development_keys: Mapping[bytes, bytes] = genesis.development_keys
        self.now_ms = now_ms
        self.poke: Callable[[], None] = lambda: None
        """Called when transactions wait; consensus sets it."""
        self.share: Callable[[Sequence[bytes]], None] | None = None
        """Called with what clients sent, for other nodes; set on a node that has any."""
        self.transactions = 0
        self._engine = engine
        self._options = options
        self._rules = Rules(genesis.network, genesis.fees)
        self._follows: tuple[Epochs, Beacon] | None = None
        self._listeners: list[Callable[[StoredBlock], None]] = []
        self._pending: dict[bytes, tuple[Block, _core.Executed]] = {}
        self._databases = (directory / "state", directory / "blocks")
        state, blocks = self._databases
        make_database(state, lambda path: _open_state(path, options).close())
        make_database(blocks, lambda path: BlockStore(path).close())
        self.state = _open_state(state, options)
        self.blocks = BlockStore(blocks)
        self._sync_names()
        self._log = BlockLog(directory / "log", files)
        self._log_seconds = 0.0
        self._store_seconds = 0.0
        self._checkpoint_seconds = 0.0
        self.head = self._open_genesis(genesis, shard, set_hash)
        self._replay(directory, progress)

    # ── opening ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _open_genesis(self, genesis: Genesis, shard: int, set_hash: bytes) -> StoredBlock:
        consensus, attributes = genesis.block_zero(shard, set_hash)
        executed = self._engine.genesis(self.state, attributes, genesis.allocation(shard))
        block = StoredBlock(
            Header.decode(executed.header), consensus, executed.body, executed.senders, executed.receipts, b""
        )
        known = self.blocks.by_number(0)
        if known is None:
            self.blocks.add(block, b"")
            self.blocks.checkpoint()
        elif known.hash != block.hash:
            raise InvalidConfig(
                f"this data directory belongs to another network (block 0 is 0x{known.hash.hex()}, the genesis file "
                f"gives 0x{block.hash.hex()}): use its own genesis file, or another directory"
            )
        return block

    def _replay(self, directory: Path, progress: Callable[[int], None]) -> None:
        """Bring state and block store up to the log, which is the truth."""
        state_number, state_hash, _ = self.state.head()
        durable = self.blocks.durable
        last: StoredBlock | None = None
        for replayed, record in enumerate(self._log.replay(), start=1):
            block = record.block
            if last is not None and block.header.parent_hash != last.hash:
                raise Corrupt(f"{directory / 'log'}: block {block.number} does not follow block {last.number}")
            if block.number > state_number + 1:
                raise Corrupt(f"{directory}: the log goes on at block {block.number}, the state ends at {state_number}")
            if block.number > max(durable, -1) + 1 and block.number > self.blocks.durable + self.blocks.waiting() + 1:
                raise Corrupt(f"{directory}: the log goes on at block {block.number}, the blocks end at {durable}")
            executed = None
            if block.number > state_number:
                if block.header.parent_hash != state_hash:
                    raise Corrupt(f"{directory}: block {block.number} of the log is of another chain than the state")
                executed = self._replay_block(record)
                state_number, state_hash = block.number, block.hash
            if block.number > durable:
                self.blocks.add(block, executed.tx_hashes if executed else _core.body_hashes(block.body))
            last = block
            if replayed % 256 == 0:
                progress(replayed)
            if self.state.pending_bytes() > self._options.flush_bytes:
                self.state.flush()
                self.blocks.checkpoint()
        number, block_hash, _ = self.state.head()
        head = self.blocks.by_number(number)
        if head is None or head.hash != block_hash:
            raise Corrupt(
                f"{directory}: the state is at block {number}, which the block store does not hold: the log has lost "
                "its end. Restore the directory from a copy, or remove its state, blocks and log (keep votes and "
                "voter), and let the node sync again"
            )
        self.head = head

    def _replay_block(self, record: BlockRecord) -> _core.Executed:
        block = record.block
        executed = self._engine.replay(
            self.state,
            block.header.parent_hash,
            block.header.raw,
            block.body,
            block.receipts,
            block.senders,
            record.diff,
        )
        self.state.finalise(block.hash)
        return executed

    def follow(self, epochs: Epochs, beacon: Beacon) -> None:
        """Before the first block is proposed or executed."""
        self._follows = epochs, beacon

    def resume(self) -> None:
        """Do again what may have been missed when the process ended right after a commit."""
        self._followed()[0].committed(self.head)

    def _followed(self) -> tuple[Epochs, Beacon]:
        assert self._follows is not None, "a chain makes blocks after `follow`"
        return self._follows

    # ── blocks in the making ────────────────────────────────────────────────────────────────────────────────────────

    def propose(self, view: int, parent_hash: bytes, coinbase: bytes, allow_empty: bool) -> Block | None:
        """Build a block on `parent_hash`; None when nothing fits and `allow_empty` is off."""
        parent, parent_consensus = self._parent(parent_hash)
        epochs, beacon = self._followed()
        lineage = epochs.lineage(parent.number, parent_consensus, None)
        reveal = beacon.reveal(parent.number + 1)
        planned = plan(self._rules, lineage, parent, parent_consensus, view, coinbase, reveal, self.now_ms())
        executed = self._engine.build(
            self.state,
            parent_hash,
            planned.attributes,
            self.pool,
            planned.gas_budget,
            BODY_MAX_BYTES,
            epochs.closing_calls(parent.number + 1, parent_consensus, lineage.epoch, view),
        )
        if executed.tx_count == 0 and not allow_empty:
            return None
        block = Block(Header.decode(executed.header), planned.consensus, executed.body)
        self._pending[block.hash] = (block, executed)
        return block

    def execute(self, block: Block, certified: bool = False) -> None:
        """Check and execute a block on its parent; of a `certified` one, which others vouch for, our clock is not
        asked, nor whose its reveal is. Raises InvalidBlock, and Unavailable when its parent or the root block that it
        imports is not here."""
        if block.hash in self._pending:
            return
        consensus = block.consensus
        head = self.head
        if block.number == head.number + 1 and block.header.parent_hash != head.hash:
            raise InvalidBlock(f"block {block.number} does not build on the final 0x{head.hash.hex()}")
        parent, parent_consensus = self._parent(block.header.parent_hash)
        now_ms = consensus.timestamp_ms if certified else self.now_ms()
        epochs, beacon = self._followed()
        lineage = epochs.lineage(parent.number, parent_consensus, consensus)
        check(self._rules, lineage, parent, parent_consensus, block, now_ms)
        if not certified:
            beacon.check(block.number, consensus)
        calls = epochs.closing_calls(block.number, parent_consensus, lineage.epoch, consensus.view)
        executed = self._engine.execute(self.state, parent.hash, block.header.raw, block.body, self.pool, calls)
        self._pending[block.hash] = (block, executed)

    def commit(self, block_hash: bytes, certificate: bytes) -> StoredBlock:
        """Make an executed child of the head final: durable when this returns. Raises OSError: the node must stop."""
        block, executed = self._pending[block_hash]
        assert block.header.parent_hash == self.head.hash, "only a child of the head becomes final"
        stored = StoredBlock(
            block.header, block.consensus, block.body, executed.senders, executed.receipts, certificate
        )
        started = thread_time()
        self._log.append(BlockRecord(stored, executed.diff))
        logged = thread_time()
        self.state.finalise(block_hash)
        self.blocks.add(stored, executed.tx_hashes)
        self._log_seconds += logged - started
        self._store_seconds += thread_time() - logged
        self.transactions += executed.tx_count
        self._pending = {h: p for h, p in self._pending.items() if p[0].number > stored.number}
        self.head = stored
        self.pool.commit(self.state, block_hash, executed, self.next_base_fee(), self.now_ms())
        self._followed()[0].committed(stored)
        return stored

    def unfinalised(self, block_hash: bytes) -> tuple[bytes, ...]:
        """Hashes of the executed blocks from the head (exclusive) to `block_hash`, oldest first."""
        chain = []
        while block_hash in self._pending:
            chain.append(block_hash)
            block_hash = self._pending[block_hash][0].header.parent_hash
        return tuple(reversed(chain))

    def waiting(self) -> bool:
        """Whether the mempool holds anything that a block made now could take."""
        return self.pool.ready(self.next_base_fee())

    def accepted(self, raws: Sequence[str]) -> None:
        """The pool took these raw transactions, in hexadecimal, from a client; on the event loop."""
        self.poke()
        if self.share is not None:
            self.share([bytes.fromhex(raw[2:]) for raw in raws])

    def announce(self, block: StoredBlock) -> None:
        """Tell the subscribers of `on_head`; on the event loop."""
        for callback in tuple(self._listeners):
            callback(block)

    def _parent(self, block_hash: bytes) -> tuple[Header, ConsensusHeader]:
        """The headers of the block to build on. Raises Unavailable: sync may have moved the chain past it."""
        head = self.head
        if block_hash == head.hash:
            return head.header, head.consensus
        if block_hash not in self._pending:
            raise Unavailable(f"block 0x{block_hash.hex()} is not here; the head is {head.number}")
        block, _ = self._pending[block_hash]
        return block.header, block.consensus

    def stages(self) -> dict[str, float]:
        """CPU seconds by stage since the start."""
        return {
            **self.pool.stages(),
            **self.engine.stages(),
            "log": self._log_seconds,
            "finalise and store": self._store_seconds,
            "checkpoint": self._checkpoint_seconds,
        }

    # ── behind the log ──────────────────────────────────────────────────────────────────────────────────────────────

    def checkpoint_due(self) -> bool:
        """Whether enough waits in memory for a checkpoint before its time."""
        return (
            self.state.pending_bytes() > self._options.flush_bytes or self.blocks.waiting() > LOG_UNFLUSHED_MAX_BLOCKS
        )

    def checkpoint(self) -> int:
        """Bring LevelDB up to the log; returns the last block that the log may forget. Raises OSError, Corrupt."""
        started = thread_time()
        flushed, _ = self.state.flush()
        durable = min(flushed, self.blocks.checkpoint())
        self._sync_names()
        self._checkpoint_seconds += thread_time() - started
        return durable

    def _sync_names(self) -> None:
        """LevelDB syncs what it writes into a new file, but not always the file's name."""
        for directory in self._databases:
            sync_directory(directory)

    def truncate(self, durable: int) -> None:
        """Let the log forget blocks up to `durable`."""
        self._log.truncate(durable)

    def close(self, *, checkpoint: bool = True) -> None:
        """Checkpoint and close; nothing may be called afterwards. Without the checkpoint the next start replays the
        log."""
        try:
            if checkpoint:
                self.truncate(self.checkpoint())
        finally:
            self._log.close()
            self.blocks.close()
            self.pool.release()
            self.state.close()

    # ── what RPC reads ──────────────────────────────────────────────────────────────────────────────────────────────

    def by_number(self, number: int) -> StoredBlock | None:
        """The finalised block, or None."""
        return self.blocks.by_number(number) if number <= self.head.number else None

    def by_hash(self, block_hash: bytes) -> StoredBlock | None:
        """The finalised block, or None."""
        number = self.blocks.number_of(block_hash)
        return None if number is None else self.by_number(number)

    def transaction(self, tx_hash: bytes) -> tuple[int, int] | None:
        """(block number, index) of a finalised transaction."""
        location = self.blocks.transaction(tx_hash)
        return location if location is not None and location[0] <= self.head.number else None

    def blooms(self, first: int, last: int) -> bytes:
        """256 bytes a block, inclusive."""
        return self.blocks.blooms(first, last)

    def next_base_fee(self) -> int:
        """Wei a gas in a block made now."""
        head = self.head
        return next_state(self._rules.fees, head.header, head.consensus, self.now_ms()).base_fee

    def pending_header(self) -> bytes:
        """RLP of the header that a block made now would have, its roots empty and nothing revealed."""
        head = self.head
        lineage = Lineage(head.consensus.epoch, head.consensus.set_hash, head.consensus.set_hash)
        coinbase, now_ms = head.header.coinbase, self.now_ms()
        planned = plan(self._rules, lineage, head.header, head.consensus, 0, coinbase, b"", now_ms)
        return _core.draft_header(head.hash, planned.attributes)

    def on_head(self, callback: Callable[[StoredBlock], None]) -> Callable[[], None]:
        """Call back on the event loop for every finalised block, in order; returns what unsubscribes."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)


def _open_state(directory: Path, options: ChainOptions) -> _core.State:
    """Open, or create where nothing is. Raises Corrupt with what to do."""
    try:
        if directory.exists() and not (directory / "CURRENT").exists():
            raise Corrupt("it has no CURRENT, and LevelDB would begin anew over its tables")
        return _core.State(str(directory), options.cache_bytes, options.history_blocks)
    except Corrupt as error:
        raise Corrupt(
            f"{directory} is damaged: {error}; restore the directory from a copy, or begin anew and run "
            "`zg-node db import`"
        ) from error
