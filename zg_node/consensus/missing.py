"""Blocks that are not final yet and that a certificate names: asked of one peer after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable

from zg_node.consensus.sync_messages import PROTOCOL, CandidateRequest, Part
from zg_node.consensus.sync_service import ANSWER_TIMEOUT_S
from zg_node.consensus.sync_verify import Lie, check_whole
from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.network import Network, Offence
from zg_node.types.block import BLOCK_MAX_BYTES, Block, BodyCheck

log = logging.getLogger("zg.sync")


class MissingBlocks:
    """How a shard's consensus gets what it has missed. Satisfies `consensus.service.Sync`."""

    def __init__(self, network: Network, shard: int, check_body: BodyCheck, nudge: Callable[[], None]) -> None:
        """`nudge` makes catching up look around now."""
        self._network = network
        self._shard = shard
        self._check_body = check_body
        self._turn = 0
        self.nudge = nudge

    async def fetch(self, view: int, block_hash: bytes) -> Block | None:
        """The block, of the first peer that has it; begins with another peer each time, and blames who lies."""
        peers = self._network.peers()
        self._turn += 1
        for i in range(len(peers)):
            peer = peers[(self._turn + i) % len(peers)].id
            try:
                return await self._ask(peer, view, block_hash)
            except Unavailable as error:
                log.debug("shard=%d peer=%s block 0x%s: %s", self._shard, peer, block_hash.hex(), error)
            except InvalidMessage as error:
                log.info("shard=%d peer=%s lie: %s", self._shard, peer, error)
                self._network.report(peer, error.offence if isinstance(error, Lie) else Offence.INVALID)
        return None

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
