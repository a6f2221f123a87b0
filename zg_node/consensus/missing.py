"""Blocks that are not final yet and that a certificate names.

    peers, the most helpful first ─▶ one is asked ─ HEDGE_S, or nothing comes of it ─▶ the next one as well ─▶ the first
    block that comes

As long as this node has not got it, it cannot vote on what is built on it, and the others may need its vote. So nobody
is waited for alone: peers that take the question and do not answer cost an attacker nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from zg_node.consensus.sync_messages import PROTOCOL, CandidateRequest, Part
from zg_node.consensus.sync_service import ANSWER_TIMEOUT_S
from zg_node.consensus.sync_verify import Lie, check_whole
from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.network import Network, Offence
from zg_node.types.block import BLOCK_MAX_BYTES, Block, BodyCheck

log = logging.getLogger("zg.sync")

HEDGE_S = 1.0
"""After so long without the block another peer is asked, too."""


class MissingBlocks:
    """How a shard's consensus gets what it has missed. Satisfies `consensus.service.Sync`."""

    def __init__(self, network: Network, shard: int, check_body: BodyCheck, nudge: Callable[[], None]) -> None:
        """`nudge` makes catching up look around now."""
        self._network = network
        self._shard = shard
        self._check_body = check_body
        self._turn = 0
        self._helped: dict[str, int] = {}
        """Peer → blocks that it has sent since it last sent none."""
        self.nudge = nudge

    async def fetch(self, view: int, block_hash: bytes) -> Block | None:
        """The block, of the first peer that sends it; blames who lies."""
        waiting: list[asyncio.Task[Block | None]] = []
        try:
            for peer in self._order():
                waiting.append(asyncio.create_task(self._try(peer, view, block_hash)))
                if (block := await _first(waiting, HEDGE_S)) is not None:
                    return block
            while waiting:
                if (block := await _first(waiting, None)) is not None:
                    return block
            return None
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    def _order(self) -> list[str]:
        """The peers, who has helped most first, and of those who have not, another one each time."""
        peers = [peer.id for peer in self._network.peers()]
        self._helped = {peer: self._helped.get(peer, 0) for peer in peers}
        self._turn += 1
        start = self._turn % max(len(peers), 1)
        return sorted([*peers[start:], *peers[:start]], key=lambda peer: -self._helped[peer])

    async def _try(self, peer: str, view: int, block_hash: bytes) -> Block | None:
        """The block, if this peer sends it."""
        helped, self._helped[peer] = self._helped.get(peer, 0), 0
        try:
            block = await self._ask(peer, view, block_hash)
        except Unavailable as error:
            log.debug("shard=%d peer=%s block 0x%s: %s", self._shard, peer, block_hash.hex(), error)
            return None
        except InvalidMessage as error:
            log.info("shard=%d peer=%s lie: %s", self._shard, peer, error)
            self._network.report(peer, error.offence if isinstance(error, Lie) else Offence.INVALID)
            return None
        self._helped[peer] = helped + 1
        return block

    async def _ask(self, peer: str, view: int, block_hash: bytes) -> Block:
        """Raises Unavailable, InvalidMessage."""
        whole = b""
        while True:
            question = CandidateRequest(self._shard, view, block_hash, len(whole)).encode()
            part = Part.decode(await self._network.request(peer, PROTOCOL, question, ANSWER_TIMEOUT_S))
            if part.total > BLOCK_MAX_BYTES or not part.is_at(len(whole)):
                raise Lie("block: the parts do not add up", Offence.INVALID)
            whole += part.data
            if len(whole) == part.total:
                break
        block = Block.decode(whole)
        if block.hash != block_hash:
            raise Lie("another block than was asked for", Offence.INVALID)
        check_whole(block, self._check_body)
        return block


async def _first(waiting: list[asyncio.Task[Block | None]], timeout_s: float | None) -> Block | None:
    """The block, once a task has it; None when one has nothing, or when time is up. Who is done waits no longer."""
    await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    done = [task for task in waiting if task.done()]
    waiting[:] = [task for task in waiting if task not in done]
    return next((block for task in done if (block := task.result()) is not None), None)
