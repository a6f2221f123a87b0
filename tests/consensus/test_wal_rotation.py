"""A vote log whose disk is full just when a new segment begins."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.consensus.machine import SKIP, vote
from tests.sim.disk import VirtualDisk
from zg_node.consensus import wal
from zg_node.consensus.instance import Persist
from zg_node.consensus.wal import Identity, VoteLog

DIRECTORY = Path("/home/shard/votes")
REGISTER = Path("/home/voters")
IDENTITY = Identity(bytes(32), 1, bytes(20))


def test_after_a_segment_that_could_not_be_headed_the_next_vote_heads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal, "SEGMENT_MAX_BYTES", 1)
    disk = VirtualDisk(Random(0))
    log = VoteLog(DIRECTORY, REGISTER, IDENTITY, disk)
    log.append([Persist(vote(0, SKIP, 1), None)], 0, 0)
    disk.capacity = disk.used() + 10
    with pytest.raises(OSError, match="No space left"):
        log.append([Persist(vote(0, SKIP, 2), None)], 0, 1)
    disk.capacity = None
    log.append([Persist(vote(0, SKIP, 2), None)], 0, 1)
    again = VoteLog(DIRECTORY, REGISTER, IDENTITY, disk)
    assert again.restored(0, 1, 0, bytes(32)).votes == (vote(0, SKIP, 2),)
