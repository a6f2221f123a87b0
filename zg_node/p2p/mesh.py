"""GossipSub 1.1 as a pure machine: frames, time and randomness in, effects out.

    add_peer, remove_peer, subscribe, publish, receive, heartbeat ─▶ Send · Deliver · Offend · Count

A message goes to the mesh of its topic, some 6 peers of those who follow it; to others its id is announced (IHAVE),
and they ask for what they miss (IWANT). Peers join and leave each other's mesh with GRAFT and PRUNE. Everything that a
peer can make us remember is bounded: topics by `allowed_topics`, ids by SEEN_MAX, messages by CACHE_MAX_BYTES, answers
by what one heartbeat allows. Specification: github.com/libp2p/specs, pubsub/gossipsub (v1.0, v1.1); scores and peer
exchange are not used.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from google.protobuf.message import DecodeError
from libp2p.pubsub.pb import rpc_pb2

from zg_node.errors import InvalidMessage
from zg_node.p2p.gossip import MESH_DEGREE, MESH_HIGH, MESH_LOW
from zg_node.p2p.network import GOSSIP_MAX_BYTES, Offence
from zg_node.p2p.varint import encode_varint

LAZY_DEGREE = 6
"""Peers outside of the mesh that hear of our messages at a heartbeat."""
HISTORY = 5
"""Heartbeats for which a message can be asked for."""
HISTORY_ANNOUNCED = 3
SEEN_S = 120.0
SEEN_MAX = 200_000
CACHE_MAX_BYTES = 64 * 1024 * 1024
BACKOFF_S = 60.0
"""After a PRUNE, nobody asks again for so long."""
BACKOFF_MAX_S = 3600.0
BACKOFFS_MAX = 4096
SUBSCRIPTIONS_PER_RPC_MAX = 256
ENTRIES_PER_RPC_MAX = 8192
"""Messages and control messages in one frame."""
IHAVE_PER_HEARTBEAT_MAX = 10
IDS_PER_HEARTBEAT_MAX = 5_000
"""Ids that a peer may announce, and ask for, between two heartbeats."""
ANSWER_BYTES_PER_HEARTBEAT = 8 * 1024 * 1024
"""Messages that a peer may ask for between two heartbeats."""
SOURCE_MAX_BYTES = 128
SEQUENCE_BYTES = 8

_PUBLISH_TAG = b"\x12"


@dataclass(frozen=True, slots=True)
class Send:
    """A frame for a peer, without its length."""

    peer: bytes
    frame: bytes


@dataclass(frozen=True, slots=True)
class Deliver:
    """A message for the node."""

    topic: str
    source: bytes
    """Id of the peer that signed it."""
    message: bytes


@dataclass(frozen=True, slots=True)
class Offend:
    """A peer did what none should."""

    peer: bytes
    offence: Offence


@dataclass(frozen=True, slots=True)
class Count:
    """Something to count."""

    name: str


Effect: TypeAlias = Send | Deliver | Offend | Count


@dataclass(slots=True)
class _Peer:
    topics: set[str] = field(default_factory=set)
    announcements: int = 0
    """IHAVE since the last heartbeat."""
    announced: int = 0
    """Ids in them."""
    wanted: int = 0
    """Ids in IWANT since then."""
    answered_bytes: int = 0


class Mesh:
    """One node's view of who gossips what. Peers are ids in bytes."""

    def __init__(
        self, me: bytes, topics: frozenset[str], verify: Callable[[rpc_pb2.Message], bool], rng: random.Random
    ) -> None:
        """`topics` are all there may be; `verify` checks a message's signature and raises nothing."""
        self._me = me
        self._allowed = topics
        self._verify = verify
        self._rng = rng
        self._peers: dict[bytes, _Peer] = {}
        self._topics: set[str] = set()
        self._mesh: dict[str, set[bytes]] = {}
        self._backoff: dict[tuple[str, bytes], float] = {}
        self._seen: dict[bytes, float] = {}
        """Until when each message id is remembered, oldest first."""
        self._cache: dict[bytes, bytes] = {}
        """Frames by message id."""
        self._cache_bytes = 0
        self._history: deque[list[tuple[str, bytes]]] = deque([[]])
        """(topic, message id) by heartbeat, newest first."""

    # ── our side ────────────────────────────────────────────────────────────────────────────────────────────────────

    def mesh(self, topic: str) -> frozenset[bytes]:
        """Whom messages of a topic go to."""
        return frozenset(self._mesh.get(topic, ()))

    def add_peer(self, peer: bytes) -> list[Effect]:
        """A peer can be written to."""
        self._peers.setdefault(peer, _Peer())
        hello = rpc_pb2.RPC()
        for topic in sorted(self._topics):
            hello.subscriptions.add(subscribe=True, topicid=topic)
        return [Send(peer, hello.SerializeToString())] if self._topics else []

    def remove_peer(self, peer: bytes) -> None:
        """A peer is gone."""
        self._peers.pop(peer, None)
        for members in self._mesh.values():
            members.discard(peer)

    def subscribe(self, topic: str, now_s: float) -> list[Effect]:
        """Follow a topic."""
        if topic in self._topics:
            return []
        self._topics.add(topic)
        self._mesh[topic] = set()
        rpc = rpc_pb2.RPC()
        rpc.subscriptions.add(subscribe=True, topicid=topic)
        frame = rpc.SerializeToString()
        effects: list[Effect] = [Send(peer, frame) for peer in self._peers]
        return effects + self._graft_missing(topic, now_s)

    def publish(self, message: rpc_pb2.Message, now_s: float) -> list[Effect]:
        """Send a signed message of ours; to the mesh, and to a few more while that is small."""
        topic, message_id = message.topicIDs[0], message.from_id + message.seqno
        self._remember(message_id, now_s)
        frame = publish_frame(message.SerializeToString())
        self._keep(topic, message_id, frame)
        targets = set(self._mesh.get(topic, ()))
        if len(targets) < MESH_LOW:
            others = [peer for peer in self._followers(topic) if peer not in targets]
            targets.update(self._sample(others, MESH_DEGREE - len(targets)))
        return [Send(peer, frame) for peer in sorted(targets)]

    def heartbeat(self, now_s: float) -> list[Effect]:
        """Once a second: mend the meshes, announce, forget."""
        effects: list[Effect] = []
        for topic in sorted(self._topics):
            effects += self._graft_missing(topic, now_s)
            effects += self._prune_surplus(topic, now_s)
            effects += self._announce(topic)
        for state in self._peers.values():
            state.announcements = state.announced = state.wanted = state.answered_bytes = 0
        self._history.appendleft([])
        while len(self._history) > HISTORY:
            self._drop(self._history.pop())
        self._forget(now_s)
        return effects

    # ── their side ──────────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, peer: bytes, frame: bytes, now_s: float) -> tuple[int, list[Effect]]:
        """A peer's frame; returns how many messages it was worth, and what follows. Raises InvalidMessage."""
        try:
            rpc = rpc_pb2.RPC.FromString(frame)
        except DecodeError as error:
            raise InvalidMessage("not a gossip frame") from error
        if len(rpc.subscriptions) > SUBSCRIPTIONS_PER_RPC_MAX:
            raise InvalidMessage("too many subscriptions")
        control = rpc.control
        entries = len(rpc.publish) + len(control.ihave) + len(control.iwant) + len(control.graft) + len(control.prune)
        if entries > ENTRIES_PER_RPC_MAX:
            raise InvalidMessage("too many messages in one frame")
        state = self._peers.setdefault(peer, _Peer())
        effects: list[Effect] = []
        for subscription in rpc.subscriptions:
            effects += self._take_subscription(peer, state, subscription, now_s)
        for message in rpc.publish:
            effects += self._take_message(peer, message, now_s)
        if rpc.HasField("control"):
            effects += self._take_announcements(peer, state, control.ihave)
            effects += self._take_wants(peer, state, control.iwant)
            effects += self._take_grafts(peer, [graft.topicID for graft in control.graft], now_s)
            for prune in control.prune:
                self._take_prune(peer, prune.topicID, prune.backoff, now_s)
        return 1 + len(rpc.subscriptions) + entries, effects

    def _take_subscription(
        self, peer: bytes, state: _Peer, subscription: rpc_pb2.RPC.SubOpts, now_s: float
    ) -> list[Effect]:
        topic = subscription.topicid
        if topic not in self._allowed:
            return []
        if not subscription.subscribe:
            state.topics.discard(topic)
            self._mesh.get(topic, set()).discard(peer)
            return []
        state.topics.add(topic)
        if topic in self._topics and len(self._mesh[topic]) < MESH_DEGREE:
            return self._graft(topic, [peer] if self._may_graft(topic, peer, now_s) else [])
        return []

    def _take_message(self, peer: bytes, message: rpc_pb2.Message, now_s: float) -> list[Effect]:
        if len(message.topicIDs) != 1 or message.topicIDs[0] not in self._topics:
            return [Count("gossip_rejected")]
        message_id, topic = message.from_id + message.seqno, message.topicIDs[0]
        if message_id in self._seen:
            return [Count("gossip_duplicates")]
        if message.from_id == self._me:
            return []
        if not is_well_formed(message) or not self._verify(message):
            # Not remembered: who forges an id must not keep the true message out.
            return [Count("gossip_rejected"), Offend(peer, Offence.BAD_SIGNATURE)]
        self._remember(message_id, now_s)
        frame = publish_frame(message.SerializeToString())
        self._keep(topic, message_id, frame)
        effects: list[Effect] = [Count("gossip_received"), Deliver(topic, message.from_id, message.data)]
        effects += [Send(other, frame) for other in self._mesh[topic] if other not in (peer, message.from_id)]
        return effects

    def _take_announcements(
        self, peer: bytes, state: _Peer, announcements: Iterable[rpc_pb2.ControlIHave]
    ) -> list[Effect]:
        wanted: list[bytes] = []
        for ihave in announcements:
            state.announcements += 1
            if state.announcements > IHAVE_PER_HEARTBEAT_MAX or ihave.topicID not in self._topics:
                continue
            for message_id in ihave.messageIDs:
                if state.announced >= IDS_PER_HEARTBEAT_MAX:
                    break
                state.announced += 1
                if _id_bytes(message_id) not in self._seen:
                    wanted.append(_id_bytes(message_id))
        if not wanted:
            return []
        rpc = rpc_pb2.RPC()
        rpc.control.iwant.add(messageIDs=wanted)
        return [Send(peer, rpc.SerializeToString())]

    def _take_wants(self, peer: bytes, state: _Peer, wants: Iterable[rpc_pb2.ControlIWant]) -> list[Effect]:
        effects: list[Effect] = []
        for iwant in wants:
            for message_id in iwant.messageIDs:
                state.wanted += 1
                if state.wanted > IDS_PER_HEARTBEAT_MAX:
                    return effects
                frame = self._cache.get(_id_bytes(message_id))
                if frame is None:
                    continue
                state.answered_bytes += len(frame)
                if state.answered_bytes > ANSWER_BYTES_PER_HEARTBEAT:
                    return effects
                effects.append(Send(peer, frame))
        return effects

    def _take_grafts(self, peer: bytes, topics: Iterable[str], now_s: float) -> list[Effect]:
        refused: list[str] = []
        for topic in set(topics):
            if topic not in self._topics:
                continue  # v1.1: no answer to unknown topics
            members = self._mesh[topic]
            if peer in members:
                continue
            if len(members) >= MESH_HIGH or self._backoff.get((topic, peer), 0.0) > now_s:
                refused.append(topic)
                self._back_off(topic, peer, BACKOFF_S, now_s)
            else:
                members.add(peer)
        return self._prune(peer, refused)

    def _take_prune(self, peer: bytes, topic: str, backoff_s: int, now_s: float) -> None:
        if topic in self._topics:
            self._mesh[topic].discard(peer)
            self._back_off(topic, peer, min(BACKOFF_MAX_S, float(backoff_s) or BACKOFF_S), now_s)

    # ── meshes ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _followers(self, topic: str) -> list[bytes]:
        return sorted(peer for peer, state in self._peers.items() if topic in state.topics)

    def _may_graft(self, topic: str, peer: bytes, now_s: float) -> bool:
        return peer not in self._mesh[topic] and self._backoff.get((topic, peer), 0.0) <= now_s

    def _graft_missing(self, topic: str, now_s: float) -> list[Effect]:
        members = self._mesh[topic]
        if len(members) >= MESH_LOW:
            return []
        candidates = [peer for peer in self._followers(topic) if self._may_graft(topic, peer, now_s)]
        return self._graft(topic, self._sample(candidates, MESH_DEGREE - len(members)))

    def _graft(self, topic: str, peers: Iterable[bytes]) -> list[Effect]:
        effects: list[Effect] = []
        for peer in peers:
            self._mesh[topic].add(peer)
            rpc = rpc_pb2.RPC()
            rpc.control.graft.add(topicID=topic)
            effects.append(Send(peer, rpc.SerializeToString()))
        return effects

    def _prune_surplus(self, topic: str, now_s: float) -> list[Effect]:
        members = self._mesh[topic]
        if len(members) <= MESH_HIGH:
            return []
        effects: list[Effect] = []
        for peer in self._sample(sorted(members), len(members) - MESH_DEGREE):
            members.discard(peer)
            self._back_off(topic, peer, BACKOFF_S, now_s)
            effects += self._prune(peer, [topic])
        return effects

    def _prune(self, peer: bytes, topics: list[str]) -> list[Effect]:
        if not topics:
            return []
        rpc = rpc_pb2.RPC()
        for topic in sorted(topics):
            rpc.control.prune.add(topicID=topic, backoff=int(BACKOFF_S))
        return [Send(peer, rpc.SerializeToString())]

    def _back_off(self, topic: str, peer: bytes, pause_s: float, now_s: float) -> None:
        if len(self._backoff) < BACKOFFS_MAX:
            self._backoff[topic, peer] = max(self._backoff.get((topic, peer), 0.0), now_s + pause_s)

    def _announce(self, topic: str) -> list[Effect]:
        recent = list(self._history)[:HISTORY_ANNOUNCED]
        ids = [message_id for beat in recent for where, message_id in beat if where == topic]
        if not ids:
            return []
        outside = [peer for peer in self._followers(topic) if peer not in self._mesh[topic]]
        if not outside:
            return []
        rpc = rpc_pb2.RPC()
        rpc.control.ihave.add(topicID=topic, messageIDs=ids[:IDS_PER_HEARTBEAT_MAX])
        frame = rpc.SerializeToString()
        return [Send(peer, frame) for peer in self._sample(outside, LAZY_DEGREE)]

    def _sample(self, peers: list[bytes], count: int) -> list[bytes]:
        return self._rng.sample(peers, min(count, len(peers))) if count > 0 else []

    # ── memory ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _remember(self, message_id: bytes, now_s: float) -> None:
        if len(self._seen) >= SEEN_MAX:
            del self._seen[next(iter(self._seen))]
        self._seen[message_id] = now_s + SEEN_S

    def _keep(self, topic: str, message_id: bytes, frame: bytes) -> None:
        if self._cache_bytes + len(frame) > CACHE_MAX_BYTES:
            return
        self._cache[message_id] = frame
        self._cache_bytes += len(frame)
        self._history[0].append((topic, message_id))

    def _drop(self, beat: list[tuple[str, bytes]]) -> None:
        for _, message_id in beat:
            self._cache_bytes -= len(self._cache.pop(message_id, b""))

    def _forget(self, now_s: float) -> None:
        while self._seen:
            oldest = next(iter(self._seen))
            if self._seen[oldest] > now_s:
                break
            del self._seen[oldest]
        self._backoff = {place: until_s for place, until_s in self._backoff.items() if until_s > now_s}

    def sizes(self) -> Counter[str]:
        """How much is remembered, for tests of the bounds."""
        return Counter(seen=len(self._seen), cache_bytes=self._cache_bytes, backoffs=len(self._backoff))


def is_well_formed(message: rpc_pb2.Message) -> bool:
    """Whether the fields of a message have the sizes that honest peers give them."""
    return (
        len(message.data) <= GOSSIP_MAX_BYTES
        and 0 < len(message.from_id) <= SOURCE_MAX_BYTES
        and len(message.seqno) == SEQUENCE_BYTES
        and len(message.topicIDs) == 1
    )


def publish_frame(message: bytes) -> bytes:
    """The frame that carries one encoded message."""
    return _PUBLISH_TAG + encode_varint(len(message)) + message


def _id_bytes(message_id: bytes | str) -> bytes:
    return message_id if isinstance(message_id, bytes) else message_id.encode()
