"""What a node that does not vote in an epoch tells its operator about it."""

from __future__ import annotations

import logging

import pytest

from zg_node.consensus.instance import Restored, Timeouts
from zg_node.consensus.votes import Validator, ValidatorSet, verify
from zg_node.epochs import Instances, ValidatorSets, Voter
from zg_node.execution.genesis import packaged, parse
from zg_node.types.hashing import ZERO_HASH

GENESIS = parse(packaged("devnet"), "devnet")
FIRST, STRANGER = Voter.of(GENESIS.development_vote_key or b""), Voter.of(b"\x05" * 32)
OTHERS = ValidatorSet((Validator(b"\x09" * 20, 32),))


class Changed(ValidatorSets):
    """The genesis set, and from epoch 2 on others."""

    def of(self, epoch: int) -> ValidatorSet | None:
        return super().of(epoch) if epoch < 2 else OTHERS


@pytest.mark.parametrize(
    ("voter", "epoch", "level"),
    [(FIRST, 2, logging.WARNING), (STRANGER, 0, logging.INFO), (STRANGER, 2, logging.INFO)],
    ids=["lost its place", "never had one", "never had one later"],
)
def test_an_operator_is_warned_of_a_lost_place_only(
    caplog: pytest.LogCaptureFixture, voter: Voter, epoch: int, level: int
) -> None:
    caplog.set_level(logging.INFO, "zg.node")
    instances = Instances(GENESIS, 0, Changed(GENESIS), voter, Timeouts(), verify)
    instances.instance(epoch, Restored(0, ZERO_HASH))
    [record] = caplog.records
    assert record.levelno == level
    assert f"epoch={epoch} 0x{voter.address.hex()} is not among the validators" in record.getMessage()


def test_who_votes_is_told_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "zg.node")
    Instances(GENESIS, 0, ValidatorSets(GENESIS), FIRST, Timeouts(), verify).instance(0, Restored(0, ZERO_HASH))
    assert not caplog.records


def test_a_set_may_become_known_in_a_shards_thread_while_the_loop_looks_at_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sets, index_of = ValidatorSets(GENESIS), ValidatorSet.index_of

    def meanwhile(members: ValidatorSet, address: bytes) -> int | None:
        sets._known[2] = OTHERS
        return index_of(members, address)

    monkeypatch.setattr(ValidatorSet, "index_of", meanwhile)
    assert not sets.has_seen(STRANGER.address)
