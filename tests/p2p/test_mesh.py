"""The gossip machine alone, and many of them in one room."""

from __future__ import annotations

import random
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st
from libp2p.pubsub.pb import rpc_pb2

from zg_node.errors import InvalidMessage
from zg_node.p2p import mesh as limits
from zg_node.p2p.gossip import MESH_DEGREE, MESH_HIGH, MESH_LOW
from zg_node.p2p.mesh import Count, Deliver, Effect, Mesh, Offend, Send, publish_frame
from zg_node.p2p.network import GOSSIP_MAX_BYTES, Offence

TOPIC = "/zg/0/0/tx/1"
OTHER = "/zg/0/1/tx/1"
TOPICS = frozenset((TOPIC, OTHER))
ME = b"me"


def signed(source: bytes, sequence: int, data: bytes = b"data", topic: str = TOPIC) -> rpc_pb2.Message:
    """A message whose signature `verify` takes."""
    return rpc_pb2.Message(
        from_id=source, seqno=sequence.to_bytes(8, "big"), data=data, topicIDs=[topic], signature=b"good"
    )


def verify(message: rpc_pb2.Message) -> bool:
    return message.signature == b"good"


def machine(me: bytes = ME) -> Mesh:
    return Mesh(me, TOPICS, verify, random.Random(1))


def frame_of(message: rpc_pb2.Message) -> bytes:
    return publish_frame(message.SerializeToString())


def control(**fields: object) -> bytes:
    """A frame with one control message."""
    rpc = rpc_pb2.RPC()
    for name, value in fields.items():
        getattr(rpc.control, name).add(**value)  # type: ignore[arg-type]
    return rpc.SerializeToString()


def subscription(topic: str = TOPIC, follow: bool = True) -> bytes:
    rpc = rpc_pb2.RPC()
    rpc.subscriptions.add(subscribe=follow, topicid=topic)
    return rpc.SerializeToString()


def rpcs(effects: list[Effect], peer: bytes) -> list[rpc_pb2.RPC]:
    """What is sent to a peer."""
    return [
        rpc_pb2.RPC.FromString(effect.frame) for effect in effects if isinstance(effect, Send) and effect.peer == peer
    ]


def follower(count: int) -> tuple[Mesh, list[bytes]]:
    """A machine with so many peers that follow its topic."""
    one, peers = machine(), [b"peer-%02d" % index for index in range(count)]
    one.subscribe(TOPIC, 0)
    for peer in peers:
        one.add_peer(peer)
        one.receive(peer, subscription(), 0)
    return one, peers


def test_a_peer_is_greeted_with_what_we_follow() -> None:
    one = machine()
    assert one.add_peer(b"a") == []
    (announced,) = rpcs(one.subscribe(TOPIC, 0), b"a")
    assert [(entry.topicid, entry.subscribe) for entry in announced.subscriptions] == [(TOPIC, True)]
    (hello,) = rpcs(one.add_peer(b"b"), b"b")
    assert [entry.topicid for entry in hello.subscriptions] == [TOPIC]


def test_followers_are_grafted_up_to_the_degree() -> None:
    one, _ = follower(20)
    assert len(one.mesh(TOPIC)) == MESH_DEGREE
    effects = one.heartbeat(1)
    assert len(one.mesh(TOPIC)) == MESH_DEGREE
    assert effects == []
    for peer in sorted(one.mesh(TOPIC))[: MESH_DEGREE - MESH_LOW + 1]:
        one.remove_peer(peer)
    effects = one.heartbeat(2)
    assert len(one.mesh(TOPIC)) == MESH_DEGREE
    assert len(effects) == MESH_DEGREE - MESH_LOW + 1


def test_a_surplus_is_pruned_and_left_alone_for_a_minute() -> None:
    one, peers = follower(MESH_HIGH + 5)
    for peer in peers:
        one.receive(peer, control(graft={"topicID": TOPIC}), 1)
    assert len(one.mesh(TOPIC)) == MESH_HIGH
    refused = peers[-1]
    (answer,) = rpcs(one.receive(refused, control(graft={"topicID": TOPIC}), 2)[1], refused)
    assert answer.control.prune[0].topicID == TOPIC
    assert answer.control.prune[0].backoff == limits.BACKOFF_S
    for peer in sorted(one.mesh(TOPIC)):
        one.receive(peer, control(prune={"topicID": TOPIC, "backoff": 30}), 3)
    assert one.mesh(TOPIC) == set()
    one.heartbeat(20)
    assert refused not in one.mesh(TOPIC)
    one.heartbeat(34)
    assert len(one.mesh(TOPIC)) == MESH_LOW or len(one.mesh(TOPIC)) == MESH_DEGREE


def test_a_message_is_delivered_and_forwarded_once() -> None:
    one, _ = follower(4)
    sender, *others = sorted(one.mesh(TOPIC))
    message = signed(b"source", 1)
    worth, effects = one.receive(sender, frame_of(message), 1)
    assert worth == 2
    assert Deliver(TOPIC, b"source", b"data") in effects
    assert {effect.peer for effect in effects if isinstance(effect, Send)} == set(others)
    assert one.receive(others[0], frame_of(message), 1)[1] == [Count("gossip_duplicates")]


def test_a_message_is_not_sent_back_to_its_source() -> None:
    one, _ = follower(4)
    sender, source, *_rest = sorted(one.mesh(TOPIC))
    _, effects = one.receive(sender, frame_of(signed(source, 1)), 1)
    assert source not in {effect.peer for effect in effects if isinstance(effect, Send)}


def test_a_forged_message_costs_its_bearer_and_keeps_nobody_out() -> None:
    one, peers = follower(2)
    forged = signed(b"source", 1)
    forged.signature = b"bad"
    assert one.receive(peers[0], frame_of(forged), 1)[1] == [
        Count("gossip_rejected"),
        Offend(peers[0], Offence.BAD_SIGNATURE),
    ]
    _, effects = one.receive(peers[1], frame_of(signed(b"source", 1)), 1)
    assert Deliver(TOPIC, b"source", b"data") in effects


@pytest.mark.parametrize(
    "message",
    [
        rpc_pb2.Message(from_id=b"s", seqno=b"1", data=b"", topicIDs=[TOPIC], signature=b"good"),
        rpc_pb2.Message(from_id=b"", seqno=bytes(8), data=b"", topicIDs=[TOPIC], signature=b"good"),
        rpc_pb2.Message(from_id=b"s" * 200, seqno=bytes(8), data=b"", topicIDs=[TOPIC], signature=b"good"),
        signed(b"s", 1, bytes(GOSSIP_MAX_BYTES + 1)),
    ],
)
def test_a_message_of_another_shape_is_refused(message: rpc_pb2.Message) -> None:
    one, peers = follower(1)
    _, effects = one.receive(peers[0], frame_of(message), 1)
    assert effects == [Count("gossip_rejected"), Offend(peers[0], Offence.BAD_SIGNATURE)]


def test_our_own_message_is_never_delivered_to_us() -> None:
    one, peers = follower(1)
    assert one.receive(peers[0], frame_of(signed(ME, 1)), 1)[1] == []


def test_topics_that_nobody_knows_leave_no_trace() -> None:
    one, peers = follower(1)
    assert one.receive(peers[0], subscription("/made/up"), 1)[1] == []
    assert one.receive(peers[0], control(graft={"topicID": "/made/up"}), 1)[1] == []
    assert one.receive(peers[0], frame_of(signed(b"s", 1, topic=OTHER)), 1)[1] == [Count("gossip_rejected")]
    one.subscribe(OTHER, 2)
    assert one.mesh(OTHER) == set()


def test_what_is_announced_is_asked_for_and_answered() -> None:
    one, peers = follower(1)
    ids = [b"id-1", b"id-2"]
    (wants,) = rpcs(one.receive(peers[0], control(ihave={"topicID": TOPIC, "messageIDs": ids}), 1)[1], peers[0])
    assert list(wants.control.iwant[0].messageIDs) == ids
    one.publish(signed(ME, 7), 1)
    mine = ME + (7).to_bytes(8, "big")
    (answer,) = rpcs(one.receive(peers[0], control(iwant={"messageIDs": [mine, b"other"]}), 1)[1], peers[0])
    assert answer.publish[0].data == b"data"
    for beat in range(limits.HISTORY):
        one.heartbeat(2 + beat)
    assert one.receive(peers[0], control(iwant={"messageIDs": [mine]}), 9)[1] == []
    assert one.sizes()["cache_bytes"] == 0


def test_those_outside_of_the_mesh_hear_of_messages() -> None:
    one, _ = follower(20)
    one.publish(signed(ME, 7), 1)
    told = {effect.peer for effect in one.heartbeat(2) if isinstance(effect, Send)}
    assert len(told) == limits.LAZY_DEGREE
    assert not told & one.mesh(TOPIC)


def test_a_lone_publisher_reaches_followers_without_a_mesh() -> None:
    one, peers = follower(3)
    for peer in peers:
        one.receive(peer, control(prune={"topicID": TOPIC}), 1)
    assert {effect.peer for effect in one.publish(signed(ME, 1), 2) if isinstance(effect, Send)} == set(peers)


def test_announcements_and_wants_are_bounded_between_heartbeats() -> None:
    one, peers = follower(1)
    asked = 0
    for round_ in range(3 * limits.IHAVE_PER_HEARTBEAT_MAX):
        ids = [b"%d-%d" % (round_, index) for index in range(1_000)]
        for rpc in rpcs(one.receive(peers[0], control(ihave={"topicID": TOPIC, "messageIDs": ids}), 1)[1], peers[0]):
            asked += len(rpc.control.iwant[0].messageIDs)
    assert asked == limits.IDS_PER_HEARTBEAT_MAX
    one.publish(signed(ME, 1, bytes(1_000_000)), 1)
    mine = ME + (1).to_bytes(8, "big")
    _, effects = one.receive(peers[0], control(iwant={"messageIDs": [mine] * 100}), 1)
    assert len(effects) == limits.ANSWER_BYTES_PER_HEARTBEAT // 1_000_000


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SEEN_MAX", 10)
    monkeypatch.setattr(limits, "CACHE_MAX_BYTES", 1_000)
    monkeypatch.setattr(limits, "BACKOFFS_MAX", 5)
    one, peers = follower(1)
    for index in range(100):
        one.receive(peers[0], frame_of(signed(b"s", index, bytes(90))), 1)
        one.receive(b"stranger-%d" % index, control(prune={"topicID": TOPIC}), 1)
    assert one.sizes()["seen"] == 10
    assert one.sizes()["cache_bytes"] <= 1_000
    assert one.sizes()["backoffs"] == 5
    one.heartbeat(1 + limits.SEEN_S)
    assert one.sizes()["seen"] == 0
    assert one.sizes()["backoffs"] == 0


def test_too_many_subscriptions_are_refused() -> None:
    rpc = rpc_pb2.RPC()
    for _ in range(limits.SUBSCRIPTIONS_PER_RPC_MAX + 1):
        rpc.subscriptions.add(subscribe=True, topicid=TOPIC)
    with pytest.raises(InvalidMessage):
        machine().receive(b"a", rpc.SerializeToString(), 0)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_one_error(data: bytes) -> None:
    one, peers = follower(1)
    try:
        one.receive(peers[0], data, 1)
    except InvalidMessage:
        return


def test_fifty_machines_all_hear_every_message() -> None:
    rng = random.Random(7)
    names = [b"node-%02d" % index for index in range(50)]
    nodes = {name: Mesh(name, TOPICS, verify, random.Random(name)) for name in names}
    links = {name: set(rng.sample(names, 8)) - {name} for name in names}
    heard = {name: set[bytes]() for name in names}
    queue: deque[tuple[bytes, bytes, bytes]] = deque()
    sent = 0

    def perform(name: bytes, effects: list[Effect]) -> None:
        nonlocal sent
        for effect in effects:
            match effect:
                case Send(peer, frame):
                    queue.append((name, peer, frame))
                    sent += 1
                case Deliver(_, _, message):
                    assert message not in heard[name], "delivered once"
                    heard[name].add(message)

    def settle(now_s: float) -> None:
        while queue:
            source, target, frame = queue.popleft()
            perform(target, nodes[target].receive(source, frame, now_s)[1])

    for name in names:
        perform(name, nodes[name].subscribe(TOPIC, 0))
    for name in names:
        for other in links[name]:
            perform(name, nodes[name].add_peer(other))
            perform(other, nodes[other].add_peer(name))
    settle(0)
    for beat in range(5):
        for name in names:
            perform(name, nodes[name].heartbeat(beat))
        settle(beat)
    sent = 0
    for index, name in enumerate(names):
        perform(name, nodes[name].publish(signed(name, index, b"%d" % index), 6))
    settle(6)
    for name, index in zip(names, range(50), strict=True):
        assert heard[name] == {b"%d" % other for other in range(50) if other != index}
    assert sent < 50 * 50 * MESH_HIGH


@pytest.mark.parametrize("tag", ["12 00", "1a 02 0a 00", "1a 02 12 00", "1a 02 1a 00", "1a 02 22 00"])
def test_a_frame_of_thousands_of_empty_entries_is_refused(tag: str) -> None:
    """Messages, announcements, wants, grafts and prunes."""
    one, peers = follower(1)
    entry = bytes.fromhex(tag)
    one.receive(peers[0], entry * limits.ENTRIES_PER_RPC_MAX, 1)
    with pytest.raises(InvalidMessage):
        one.receive(peers[0], entry * (limits.ENTRIES_PER_RPC_MAX + 1), 1)


def test_ids_are_looked_at_so_many_times_between_heartbeats_in_however_many_messages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[bytes] = []

    def note(message_id: bytes) -> bytes:
        looked.append(message_id)
        return message_id

    monkeypatch.setattr(limits, "_id_bytes", note)
    one, peers = follower(1)
    ids = [b"id"] * 1_000
    for _ in range(20):
        one.receive(peers[0], control(iwant={"messageIDs": ids}), 1)
    assert len(looked) == limits.IDS_PER_HEARTBEAT_MAX
    one.heartbeat(2)
    one.receive(peers[0], frame_of(signed(b"i", 1)), 2)
    known = b"i" + (1).to_bytes(8, "big")
    looked.clear()
    for _ in range(20):
        one.receive(peers[0], control(ihave={"topicID": TOPIC, "messageIDs": [known] * 1_000}), 2)
    assert len(looked) == limits.IDS_PER_HEARTBEAT_MAX
