"""What a node that does not vote in an epoch tells its operator about it."""

from __future__ import annotations

import logging

import pytest

from zg_node.consensus.instance import Restored, Timeouts
from zg_node.consensus.votes import Validator, ValidatorSet, verify
from zg_node.epochs import Instances, Standing, ValidatorSets, Voter
from zg_node.execution.genesis import packaged, parse
from zg_node.types.hashing import ZERO_HASH

GENESIS = parse(packaged("devnet"), "devnet")
FIRST, STRANGER = Voter.of(GENESIS.development_vote_key or b""), Voter.of(b"\x05" * 32)
OTHERS = ValidatorSet((Validator(b"\x09" * 20, 32),))


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "zg.node")
    return caplog


@pytest.mark.parametrize(
    ("voter", "level"), [(FIRST, logging.WARNING), (STRANGER, logging.INFO)], ids=["lost its place", "never had one"]
)
def test_an_operator_is_told_once_that_the_node_does_not_vote_and_warned_of_a_lost_place_only(
    said: pytest.LogCaptureFixture, voter: Voter, level: int
) -> None:
    standing = Standing(ValidatorSets(GENESIS), voter)
    for epoch in (2, 2, 3):
        standing.look(epoch, votes=False)
    [record] = said.records
    assert record.levelno == level
    address = f"0x{voter.address.hex()}"
    assert f"epoch=2 {address} is not among the validators" in record.getMessage()
    assert f"see `zg-node validator info {address}`" in record.getMessage()


def test_who_votes_is_told_nothing_until_that_changes_and_then_again_when_it_is_back(
    said: pytest.LogCaptureFixture,
) -> None:
    standing = Standing(ValidatorSets(GENESIS), FIRST)
    standing.look(0, votes=True)
    assert not said.records
    for epoch, votes in ((2, False), (3, False), (4, True), (5, True), (6, False)):
        standing.look(epoch, votes=votes)
    lost, back, lost_again = [record.getMessage() for record in said.records]
    assert lost.startswith("epoch=2 ")
    assert lost_again.startswith("epoch=6 ")
    assert back == f"epoch=4 0x{FIRST.address.hex()} votes from now on"


@pytest.mark.parametrize(("voter", "index"), [(FIRST, 0), (STRANGER, None), (None, None)])
def test_an_instance_votes_when_the_key_is_in_the_set_and_says_nothing_otherwise(
    said: pytest.LogCaptureFixture, voter: Voter | None, index: int | None
) -> None:
    instances = Instances(GENESIS, 0, ValidatorSets(GENESIS), voter, Timeouts(), verify)
    assert instances.instance(0, Restored(0, ZERO_HASH)).index == index
    assert not said.records


def test_a_set_may_become_known_in_a_shards_thread_while_the_loop_looks_at_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sets, index_of = ValidatorSets(GENESIS), ValidatorSet.index_of

    def meanwhile(members: ValidatorSet, address: bytes) -> int | None:
        sets._known[2] = OTHERS
        return index_of(members, address)

    monkeypatch.setattr(ValidatorSet, "index_of", meanwhile)
    assert not sets.has_seen(STRANGER.address)
