"""Where consensus messages of the network go: one direct stream for all shards in, one `ShardConsensus` each out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from zg_node.consensus import wire
from zg_node.consensus.instance import Message
from zg_node.errors import InvalidMessage
from zg_node.p2p.network import Network, Offence

log = logging.getLogger("zg.consensus")

Receiver = Callable[[str, Message], None]
"""(peer, message), as `ShardConsensus.receive`."""


class ConsensusRouter:
    """Parses what peers send and hands it to its shard; what does not parse costs the sender."""

    def __init__(self, network: Network, shards: Sequence[Receiver]) -> None:
        self._network = network
        self._shards = shards
        network.on_direct(self.receive)

    def receive(self, peer: str, data: bytes) -> None:
        try:
            shard, message = wire.decode(data)
        except InvalidMessage as error:
            log.debug("peer=%s %s", peer, error)
            self._network.report(peer, Offence.MALFORMED)
            return
        if shard < len(self._shards):
            self._shards[shard](peer, message)
