"""Answers that are true of another shard; in a network of one shard, of other heights than were asked for."""

from __future__ import annotations

from dataclasses import replace

from tests.sim.liars.liar import Liar, truth_or_nothing
from zg_node.consensus.sync_messages import BlocksRequest, PartRequest, Request, StatusRequest
from zg_node.p2p.network import RequestHandler


class OtherShard(Liar):
    async def lie(self, request: Request, peer: str, honest: RequestHandler) -> bytes:
        if isinstance(request, StatusRequest):
            return await honest(peer, request.encode())
        elsewhere = await truth_or_nothing(honest, peer, replace(request, shard=request.shard ^ 1))
        return elsewhere or await honest(peer, self._elsewhere(request).encode())

    def _elsewhere(self, request: Request) -> Request:
        match request:
            case BlocksRequest(first=first):
                return replace(request, first=max(1, first + self.rng.choice((-1, 1))))
            case PartRequest(number=number):
                return replace(request, number=max(1, number + self.rng.choice((-1, 1))))
        return request
