"""A peer that hands over what is sent in parts byte by byte."""

from __future__ import annotations

import pytest

from zg_node.consensus.sync_messages import PARTED_MAX_BYTES, Part, Piece
from zg_node.consensus.sync_verify import Lie, fetch_parts


def test_a_part_that_is_shorter_than_an_answer_may_be_is_a_lie_unless_it_is_the_last() -> None:
    steps = fetch_parts(0, 1, Piece.RECEIPTS, None)
    next(steps)
    with pytest.raises(Lie, match="the parts do not add up"):
        steps.send(Part(PARTED_MAX_BYTES, b"\0").encode())
