"""Certified blocks that are not here: fetched one by one when they are near, left to sync when they are far.

A block may still be on its way when its certificate comes, so a fetch waits a little, and is repeated.
"""

from __future__ import annotations

from zg_node.consensus.instance import Behind, Effect, Fetch, Timeouts
from zg_node.consensus.tree import BlockTree, Wanted

DISTANCE_MAX = 16
"""Blocks further above the last final one than this are left to sync."""
VIEWS_MAX = 64
"""So are blocks of unknown height in views further ahead."""


class Catchup:
    """What has been asked for, and when to ask again."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._ask_at: dict[bytes, int] = {}

    def step(self, tree: BlockTree, final_view: int, now_ms: int, out: list[Effect]) -> int | None:
        """Ask for what is due; returns when to look again, None when nothing is missing."""
        if not tree.wanted:
            self._ask_at.clear()
            return None
        patience = self._timeouts.fetch_ms
        self._ask_at = {h: self._ask_at.get(h, now_ms + patience * (w.number == 0)) for h, w in tree.wanted.items()}
        due = [(h, tree.wanted[h]) for h, at in self._ask_at.items() if at <= now_ms]
        for block_hash, wanted in due:
            self._ask_at[block_hash] = now_ms + self._timeouts.standstill_ms
            if not self._far(wanted, tree, final_view):
                out.append(Fetch(wanted.view, block_hash))
        far = [wanted for _, wanted in due if self._far(wanted, tree, final_view)]
        if far:
            out.append(Behind(max(w.view for w in far), max(w.number for w in far)))
        return min(self._ask_at.values())

    def behind(self, tree: BlockTree, final_view: int) -> bool:
        """Whether blocks are missing that only sync will bring: new ones are of no use until then."""
        return any(self._far(wanted, tree, final_view) for wanted in tree.wanted.values())

    @staticmethod
    def _far(wanted: Wanted, tree: BlockTree, final_view: int) -> bool:
        if wanted.number:
            return wanted.number - tree.root_number > DISTANCE_MAX
        return wanted.view - final_view > VIEWS_MAX
