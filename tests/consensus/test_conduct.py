"""What a peer's messages earn it: points lost, or a connection that is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from tests.consensus.blocks import GENESIS, block_on
from tests.consensus.machine import NOTARIZE, SKIP, machine, proposal, vote
from zg_node.consensus.conduct import Conduct
from zg_node.consensus.instance import Effect, Message, Received
from zg_node.consensus.simplex import Simplex
from zg_node.errors import InvalidMessage
from zg_node.p2p.network import Network, Offence


@dataclass
class Heard:
    """The part of a `Network` that is told of peers."""

    reported: list[tuple[str, Offence]] = field(default_factory=list)
    protected: set[str] = field(default_factory=set)

    def report(self, peer: str, offence: Offence) -> None:
        self.reported.append((peer, offence))

    def protect(self, peer: str, protected: bool) -> None:
        (self.protected.add if protected else self.protected.discard)(peer)


def take(conduct: Conduct, node: Simplex, message: Message, peer: str) -> Sequence[Effect]:
    """As the shell does."""
    event = Received(message, peer)
    introduces = conduct.introduces(event, node.claims)
    try:
        effects = node.step(event, 0)
    except InvalidMessage as error:
        conduct.failed(event, error)
        return []
    conduct.passed(event, effects, introduces=introduces)
    return effects


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def conduct(heard: Heard) -> Conduct:
    return Conduct(cast(Network, heard))


def test_the_first_checked_vote_of_a_validator_protects_its_peer_until_the_epoch_ends(
    heard: Heard, conduct: Conduct
) -> None:
    node = machine(0)
    take(conduct, node, vote(1, SKIP, 1), "one")
    take(conduct, node, vote(1, SKIP, 1), "mimic")
    take(conduct, node, vote(1, SKIP, 2), "late")
    assert heard.protected == {"one"}
    conduct.begin_epoch()
    assert heard.protected == set()
    assert heard.reported == []


def test_a_vote_with_a_bad_signature_protects_nobody_and_costs_what_a_bad_signature_costs(
    heard: Heard, conduct: Conduct
) -> None:
    node = machine(0)
    forged = vote(1, SKIP, 1)
    object.__setattr__(forged, "signature", vote(2, SKIP, 1).signature)
    take(conduct, node, forged, "forger")
    assert heard.reported == [("forger", Offence.BAD_SIGNATURE)]
    assert heard.protected == set()


def test_a_proposal_out_of_turn_is_invalid(heard: Heard, conduct: Conduct) -> None:
    node = machine(0)
    wrong = proposal(1, block_on(GENESIS, 1, 1), 0)
    object.__setattr__(wrong, "leader", 3)
    take(conduct, node, wrong, "usurper")
    assert heard.reported == [("usurper", Offence.INVALID)]


def test_whose_vote_contradicts_an_earlier_one_is_reported(heard: Heard, conduct: Conduct) -> None:
    node = machine(0)
    take(conduct, node, vote(1, NOTARIZE, 1, block_on(GENESIS, 1, 1)), "one")
    take(conduct, node, vote(1, NOTARIZE, 1, block_on(GENESIS, 1, 2)), "one")
    assert heard.reported == [("one", Offence.CONTRADICTION)]


def test_voters_are_known_once_all_of_them_have_voted_and_are_connected(conduct: Conduct) -> None:
    node, peers = machine(0), ["one", "listener", "two"]
    take(conduct, node, vote(1, SKIP, 1), "one")
    assert conduct.voters([1, 2], peers) is None
    take(conduct, node, vote(2, SKIP, 1), "two")
    assert conduct.voters([1, 2], peers) == ["one", "two"]
    assert conduct.voters([1, 2], ["one", "listener"]) is None, "two may come back as somebody else"
    conduct.begin_epoch()
    assert conduct.voters([1, 2], peers) is None


def test_a_forged_vote_takes_no_validators_place(conduct: Conduct) -> None:
    node = machine(0)
    forged = vote(1, SKIP, 1)
    object.__setattr__(forged, "signature", vote(2, SKIP, 1).signature)
    take(conduct, node, forged, "forger")
    assert conduct.voters([1], ["forger", "one"]) is None
    take(conduct, node, vote(1, SKIP, 1), "one")
    assert conduct.voters([1], ["forger", "one"]) == ["one"]


def test_who_passes_on_a_vote_before_its_validator_does_not_silence_it(conduct: Conduct) -> None:
    node = machine(0)
    take(conduct, node, vote(1, SKIP, 1), "mimic")
    take(conduct, node, vote(1, SKIP, 1), "one")
    assert conduct.voters([1], ["mimic", "one"]) is None
