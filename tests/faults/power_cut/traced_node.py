"""`zg-node` as the power-cut tests run it: small segments and buffers, so that files change often, and a mark in the
trace for every vote that may be sent.

The marks come from the caller of the vote log, not from its syncs, so that a missing sync is noticed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import plyvel

from tests.faults.power_cut.recording import PROMISED, Marks
from zg_node import cli
from zg_node.consensus import wal
from zg_node.consensus.instance import Persist
from zg_node.db import log

SEGMENT_BYTES = 96 * 1024
WRITE_BUFFER_BYTES = 64 * 1024


def main() -> None:
    """Run the command line with these changes made."""
    log.SEGMENT_MAX_BYTES = wal.SEGMENT_MAX_BYTES = SEGMENT_BYTES
    marks = Marks(Path(os.environ["ZG_TRACE_FILE"]))
    append = wal.VoteLog.append

    def marked(self: wal.VoteLog, effects: Sequence[Persist], epoch: int, final_view: int) -> None:
        append(self, effects, epoch, final_view)
        for effect in effects:
            marks.add(PROMISED, effect.vote.encode())

    wal.VoteLog.append = marked  # type: ignore[method-assign]
    database = plyvel.DB

    def small(*arguments: Any, **options: Any) -> Any:
        return database(*arguments, **{**options, "write_buffer_size": WRITE_BUFFER_BYTES})

    plyvel.DB = small
    cli.main()


if __name__ == "__main__":
    main()
