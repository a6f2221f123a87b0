"""What the operator of one shard is warned of: blocks that do not hold, and a clock that the others do not share.

invalid   a block that fails its check here
behind    a final block is from the future: validators vote for none that is more than 500 ms ahead of their clocks
ahead     our blocks are passed over, turn after turn, and the others' are old when they become final here

Each kind is a warning once in EVERY_MS, and a debug line in between.
"""

from __future__ import annotations

import logging

from zg_node.clock import Clock
from zg_node.errors import InvalidBlock
from zg_node.types.block import Block

log = logging.getLogger("zg.consensus")

EVERY_MS = 60_000
SKEW_MS = 500
"""From here on a final block is too far from our clock."""
TURNS_LOST = 3
"""So many turns in a row whose blocks have not become final are more than an accident."""


class Alarm:
    """Hears of blocks, and says what is wrong."""

    def __init__(self, shard: int, coinbase: bytes, clock: Clock) -> None:
        """`coinbase` is in the blocks that this node builds."""
        self._shard = shard
        self._coinbase = coinbase
        self._clock = clock
        self._turns: set[int] = set()
        """The first views of our blocks since one became final, or any that was not old; TURNS_LOST at most."""
        self._said_ms: dict[str, int] = {}
        """When each sentence was last a warning."""

    def invalid(self, block: Block, error: InvalidBlock) -> None:
        """A block does not hold."""
        self._warn("shard=%d height=%d invalid block: %s", block, str(error))

    def proposed(self, view: int) -> None:
        """A block of ours goes out in its view."""
        if len(self._turns) < TURNS_LOST:
            self._turns.add(view)

    def final(self, block: Block) -> None:
        """Live consensus has made a block final."""
        age_ms = self._clock.unix_ms() - block.consensus.timestamp_ms
        if age_ms <= SKEW_MS or block.header.coinbase == self._coinbase:
            self._turns.clear()
        if age_ms < -SKEW_MS:
            self._warn(
                "shard=%d height=%d this machine's clock is behind by %.1f s: a quorum has signed a block from its "
                "future. Check how the machine keeps its time",
                *(block, -age_ms / 1000),
            )
        elif sum(view < block.consensus.view for view in self._turns) == TURNS_LOST:
            self._warn(
                "shard=%d height=%d this machine's clock may be ahead: the others pass over its blocks, and theirs are "
                "%.1f s old when they become final. Check how the machine keeps its time",
                *(block, age_ms / 1000),
            )

    def _warn(self, sentence: str, block: Block, detail: object) -> None:
        """Log a `sentence` about a block, by the clock a warning or not."""
        now_ms, said_ms = self._clock.monotonic_ms(), self._said_ms.get(sentence)
        level = logging.DEBUG
        if said_ms is None or now_ms - said_ms >= EVERY_MS:
            self._said_ms[sentence] = now_ms
            level = logging.WARNING
        log.log(level, sentence, self._shard, block.number, detail)
