"""The envelope of consensus messages, and where they go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.consensus.blocks import GENESIS, block_on
from zg_node.consensus import wire
from zg_node.consensus.instance import Message
from zg_node.consensus.messages import CERTIFICATE_MAX_BYTES, VOTE_MAX_BYTES, Certificate, Proposal, Vote, VoteKind
from zg_node.consensus.router import ConsensusRouter
from zg_node.errors import InvalidMessage
from zg_node.p2p.memory import MemoryHub
from zg_node.p2p.network import Offence

SIGNATURE = b"\1" * 65
HASH = b"\2" * 32
MESSAGES: tuple[Message, ...] = (
    Proposal(1, 0, block_on(GENESIS, 1, 0), 0, SIGNATURE),
    Vote(VoteKind.NOTARIZE, 0, 1, HASH, 0, SIGNATURE),
    Certificate(VoteKind.FINALIZE, 0, 1, HASH, ((0, SIGNATURE), (2, SIGNATURE))),
)


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("shard", [0, 1, 65_535])
def test_a_message_comes_back_with_its_shard(message: Message, shard: int) -> None:
    assert wire.decode(wire.encode(shard, message)) == (shard, message)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_message_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidMessage):
        wire.decode(data)


@pytest.mark.parametrize(("kind", "size"), [(2, VOTE_MAX_BYTES), (3, CERTIFICATE_MAX_BYTES), (0, 0), (4, 0)])
def test_the_size_is_looked_at_before_the_content(kind: int, size: int) -> None:
    with pytest.raises(InvalidMessage, match="consensus message"):
        wire.decode(bytes([0, 0, kind]) + bytes(size + 1))


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_of_another_kind_is_refused(message: Message) -> None:
    data = bytearray(wire.encode(0, message))
    data[2] = data[2] % 3 + 1
    with pytest.raises(InvalidMessage):
        wire.decode(bytes(data))


def test_each_shard_gets_its_own_and_garbage_costs_the_sender() -> None:
    hub = MemoryHub(lambda delay, act: act(), lambda source, target, size: (0.0,))
    network = hub.join("node")
    got: list[tuple[int, str, Message]] = []
    router = ConsensusRouter(
        network, [lambda peer, m: got.append((0, peer, m)), lambda peer, m: got.append((1, peer, m))]
    )
    reports: list[tuple[str, Offence]] = []
    network.report = lambda peer, offence: reports.append((peer, offence))  # type: ignore[method-assign]
    router.receive("peer", wire.encode(1, MESSAGES[1]))
    router.receive("peer", wire.encode(7, MESSAGES[1]))
    router.receive("peer", b"garbage")
    assert got == [(1, "peer", MESSAGES[1])]
    assert reports == [("peer", Offence.MALFORMED)]
