"""Joining without replaying history: one shard's state after an epoch's last block, from several peers at once.

    prove     EPOCHS: from the genesis set to now, so that the epoch's last header, and its state root, is certified
    choose    SNAPSHOT: the manifest that most peers agree on, of a block that was proven
    copy      CHUNK: several at once, each against its hash in the manifest, installed in order
    finish    the block itself with its receipts; the whole state's root must be the certified one

Chunks are compared with the manifest as they arrive, so a peer that sends another one is caught at once, and is the
only one blamed. The manifest is proven by the root at the end; if that fails, those who vouched for it are blamed, and
another manifest is tried. (Range proofs would tell sooner, but the trie nodes of a past block are not kept.)
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from zg_node.consensus.light import EpochProof, Trusted
from zg_node.consensus.sync_messages import (
    EPOCHS_MAX,
    PROTOCOL,
    RANGE_MAX_BODY_BYTES,
    BlocksRequest,
    ChunkRequest,
    EpochsRequest,
    Manifest,
    Piece,
    Request,
    SnapshotRequest,
    decode_epochs,
)
from zg_node.consensus.sync_verify import Lie, Rules, Run, fetch, fetch_parts
from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.network import Network, Offence
from zg_node.types.block import BodyCheck, StoredBlock
from zg_node.types.hashing import keccak

log = logging.getLogger("zg.sync")

T = TypeVar("T")

ANSWER_TIMEOUT_S = 15.0
AHEAD_CHUNKS = 8
"""Chunks that are asked for, or wait, before the one that is due."""


class Installer(Protocol):
    """Where the state goes; called in one thread."""

    def open(self, number: int, block_hash: bytes, root: bytes) -> int:
        """Begin or go on with a certified state; returns the index of the chunk that is due."""
        ...

    def add(self, index: int, chunk: bytes) -> None:
        """Raises InvalidMessage when it is no chunk, or not the next one."""
        ...

    def check(self, block: StoredBlock) -> None:
        """Raises InvalidMessage unless the block's parts belong together."""
        ...

    def finish(self, block: StoredBlock, epochs: Mapping[int, bytes]) -> None:
        """Raises InvalidMessage when the chunks are another state; they are thrown away then."""
        ...

    def discard(self) -> None:
        """Throw away what is there."""
        ...


@dataclass(frozen=True, slots=True)
class SnapshotProgress:
    """How far the copy is."""

    shard: int
    number: int
    """The block whose state is copied; 0 before one is chosen."""
    done: int
    """Chunks."""
    total: int


class SnapshotSync:
    """One shard's copy."""

    def __init__(
        self,
        network: Network,
        shard: int,
        trusted: Trusted,
        check_body: BodyCheck,
        installer: Installer,
        worker: Executor,
    ) -> None:
        """`trusted` is where trust begins: the genesis set, or a later one that the operator vouches for. `worker` has
        one thread."""
        self._network = network
        self._shard = shard
        self._trusted = trusted
        self._sets = {trusted.epoch: trusted.members}
        self._proofs: dict[int, EpochProof] = {}
        self._check_body = check_body
        self._installer = installer
        self._worker = worker
        self._false: set[Manifest] = set()
        self._failures: Counter[str] = Counter()
        """Peer → chunks that it did not send."""
        self._begun: Manifest | None = None
        """Where the chunks that are installed came from; None when an earlier process installed them."""
        self._inherited = False
        self._progress = SnapshotProgress(shard, 0, 0, 0)

    def progress(self) -> SnapshotProgress:
        """Now."""
        return self._progress

    async def run(self, first_epoch: int = 0) -> int:
        """Install a state of the end of `first_epoch` or a later one; returns the epoch. Raises Unavailable when no
        peer has one to offer now; what was copied so far is kept, and gone on with the next time."""
        while True:
            await self._prove()
            manifest, peers = await self._choose(first_epoch)
            proof = next(p for p in self._proofs.values() if p.header.hash == manifest.block_hash)
            try:
                await self._copy(manifest, proof, peers)
                block = await self._block(proof, peers)
                epochs = {epoch: known.encode() for epoch, known in self._proofs.items()}
                await self._work(self._installer.finish, block, epochs)
                return proof.consensus.epoch
            except InvalidMessage as error:
                log.warning("shard=%d block=%d snapshot is false: %s", self._shard, manifest.number, error)
                if not self._inherited:
                    self._false.add(manifest)
                    for peer in peers:
                        self._network.report(peer, Offence.INVALID)
                await self._work(self._installer.discard)

    # ── proving ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _prove(self) -> None:
        """Follow the epochs as far as any peer can prove them."""
        for peer in self._network.peers():
            try:
                while await self._prove_some(peer.id):
                    pass
            except Unavailable as error:
                log.debug("shard=%d peer=%s epochs: %s", self._shard, peer.id, error)
            except InvalidMessage as error:
                self._blame(peer.id, error)

    async def _prove_some(self, peer: str) -> bool:
        question = EpochsRequest(self._shard, self._trusted.epoch, EPOCHS_MAX)
        proofs = decode_epochs(await self._ask(peer, question))
        for proof in proofs:
            trusted = await self._work(self._trusted.advance, proof)
            self._proofs[self._trusted.epoch] = proof
            self._trusted = trusted
            self._sets[trusted.epoch] = trusted.members
        return bool(proofs)

    # ── choosing ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _choose(self, first_epoch: int) -> tuple[Manifest, list[str]]:
        """The manifest that most peers offer, and who does. Raises Unavailable."""
        ends = {(p.header.number, p.header.hash): p.consensus.epoch for p in self._proofs.values()}
        peers = [peer.id for peer in self._network.peers()]
        answers = await asyncio.gather(*map(self._manifest, peers))
        offers = {
            peer: manifest
            for peer, manifest in zip(peers, answers, strict=True)
            if manifest is not None
            and manifest not in self._false
            and ends.get((manifest.number, manifest.block_hash), -1) >= first_epoch
        }
        if not offers:
            raise Unavailable(f"shard {self._shard}: no peer offers a state of epoch {first_epoch} or later")
        counted = Counter(offers.values())
        best = max(counted, key=lambda manifest: (counted[manifest], manifest.number))
        return best, [peer for peer, manifest in offers.items() if manifest == best]

    async def _manifest(self, peer: str) -> Manifest | None:
        try:
            return Manifest.decode(await self._ask(peer, SnapshotRequest(self._shard)))
        except Unavailable:
            return None
        except InvalidMessage as error:
            self._blame(peer, error)
            return None

    # ── copying ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _copy(self, manifest: Manifest, proof: EpochProof, peers: list[str]) -> None:
        """Install every chunk. Raises InvalidMessage when the manifest is false, Unavailable."""
        header, total = proof.header, len(manifest.chunks)
        due = await self._begin(manifest, proof)
        coming: dict[int, asyncio.Task[bytes]] = {}
        try:
            for index in range(due, total):
                self._progress = SnapshotProgress(self._shard, header.number, index, total)
                for ahead in range(index, min(index + AHEAD_CHUNKS, total)):
                    if ahead not in coming:
                        coming[ahead] = asyncio.ensure_future(self._chunk(manifest, ahead, peers))
                await self._work(self._installer.add, index, await coming[index])
                del coming[index]
        finally:
            for task in coming.values():
                task.cancel()
            await asyncio.gather(*coming.values(), return_exceptions=True)
        self._progress = SnapshotProgress(self._shard, header.number, total, total)

    async def _begin(self, manifest: Manifest, proof: EpochProof) -> int:
        """Open the installation, without chunks that another manifest brought; returns the chunk that is due."""
        header = proof.header
        due = await self._work(self._installer.open, header.number, header.hash, header.state_root)
        begun = self._begun
        if due > len(manifest.chunks) or (begun is not None and begun.chunks[:due] != manifest.chunks[:due]):
            await self._work(self._installer.discard)
            due = await self._work(self._installer.open, header.number, header.hash, header.state_root)
        self._inherited = due > 0 and (begun is None or self._inherited)
        self._begun = manifest
        return due

    async def _chunk(self, manifest: Manifest, index: int, peers: list[str]) -> bytes:
        """The chunk as the manifest names it, from whoever has it. Who sends none is asked last from then on, who sends
        another one not again."""
        turn = index % max(len(peers), 1)
        for peer in sorted([*peers[turn:], *peers[:turn]], key=lambda peer: self._failures[peer]):
            if peer not in peers:
                continue
            try:
                chunk = await self._ask(peer, ChunkRequest(self._shard, manifest.number, index))
            except Unavailable as error:
                log.debug("shard=%d peer=%s chunk=%d: %s", self._shard, peer, index, error)
                self._failures[peer] += 1
                continue
            if keccak(chunk) == manifest.chunks[index]:
                return chunk
            self._blame(peer, Lie(f"chunk {index} is not the one it announced", Offence.INVALID))
            if peer in peers:
                peers.remove(peer)
        raise Unavailable(f"shard {self._shard}: no peer sends chunk {index} of block {manifest.number}")

    # ── the block ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _block(self, proof: EpochProof, peers: list[str]) -> StoredBlock:
        """The epoch's last block with everything that is stored of it. Raises Unavailable."""
        for peer in peers:
            try:
                block = await self._converse(peer, self._fetch_block(proof))
                await self._work(self._installer.check, block)
                return block
            except Unavailable as error:
                log.debug("shard=%d peer=%s block: %s", self._shard, peer, error)
            except InvalidMessage as error:
                self._blame(peer, error)
        raise Unavailable(f"shard {self._shard}: no peer sends block {proof.header.number}")

    def _fetch_block(self, proof: EpochProof) -> Generator[Request, bytes, StoredBlock]:
        number = proof.header.number
        rules = Rules(self._trusted.network, self._trusted.chain_id, self._sets.get, self._check_body)
        run = yield from fetch(BlocksRequest(self._shard, number, 1, RANGE_MAX_BODY_BYTES), rules)
        if not isinstance(run, Run) or run.blocks[0].hash != proof.header.hash:
            raise Lie(f"another block {number} than the proven one", Offence.INVALID)
        senders = yield from fetch_parts(self._shard, number, Piece.SENDERS, None)
        receipts = yield from fetch_parts(self._shard, number, Piece.RECEIPTS, None)
        certificate = proof.certificate.encode()
        return StoredBlock(proof.header, proof.consensus, run.blocks[0].body, senders, receipts, certificate)

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _converse(self, peer: str, steps: Generator[Request, bytes, T]) -> T:
        question = next(steps)
        while True:
            answer = await self._ask(peer, question)
            try:
                question = steps.send(answer)
            except StopIteration as done:
                result: T = done.value
                return result

    async def _ask(self, peer: str, question: Request) -> bytes:
        return await self._network.request(peer, PROTOCOL, question.encode(), ANSWER_TIMEOUT_S)

    async def _work(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, function, *arguments)

    def _blame(self, peer: str, error: InvalidMessage) -> None:
        log.info("shard=%d peer=%s lie: %s", self._shard, peer, error)
        self._network.report(peer, error.offence if isinstance(error, Lie) else Offence.INVALID)
