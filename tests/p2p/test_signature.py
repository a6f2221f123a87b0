"""Who signed a gossip message: one answer, whichever implementation of gossip asks."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub
from libp2p.pubsub.validators import signature_validator

from zg_node.p2p.signature import SIGNING_PREFIX, Verifier
from zg_node.p2p.stock_gossip import _Pubsub

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
ID_PREFIX = bytes.fromhex("002408011220")
SOURCE = ID_PREFIX + KEY.public_key().public_bytes_raw()
NEUTRAL = ID_PREFIX + b"\1" + bytes(31)
"""The "key" under which anything is signed by any number times the base point."""
BASE_POINT = b"\x58" + b"\x66" * 31
ONE = b"\1" + bytes(31)


def message(source: bytes = SOURCE, sequence: bytes = bytes(8)) -> rpc_pb2.Message:
    unsigned = rpc_pb2.Message(from_id=source, seqno=sequence, data=b"data", topicIDs=["topic"])
    signature = KEY.sign(SIGNING_PREFIX + unsigned.SerializeToString()) if source == SOURCE else BASE_POINT + ONE
    unsigned.signature = signature
    return unsigned


def blamed_by_stock(what: rpc_pb2.Message, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the library's gossip, as we run it, blames an honest peer that passes this on."""
    offences: list[ID] = []

    async def ignore(*_: Any) -> None:
        return

    monkeypatch.setattr(Pubsub, "push_msg", ignore)
    pubsub: Any = _Pubsub.__new__(_Pubsub)
    pubsub.host = SimpleNamespace(get_id=lambda: ID(b"me"))
    pubsub.counts = Counter()
    pubsub.verifier = Verifier()
    pubsub.peers_ = SimpleNamespace(take_messages=ignore, offend=lambda peer, offence: offences.append(peer))
    monkeypatch.setattr(_Pubsub, "_is_msg_seen", lambda self, msg: False)
    trio.run(pubsub.push_msg, ID(b"relay"), what)
    return bool(offences)


def test_a_signature_is_that_of_its_source() -> None:
    assert Verifier().verify(message())
    forged = message()
    forged.data = b"other"
    assert not Verifier().verify(forged)


def test_what_one_path_passes_on_costs_nobody_points_on_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    strange = message(NEUTRAL)
    assert Verifier().verify(strange) != signature_validator(strange)
    assert blamed_by_stock(strange, monkeypatch) is not Verifier().verify(strange)


def test_a_number_of_another_size_is_passed_on_by_neither_path(monkeypatch: pytest.MonkeyPatch) -> None:
    assert blamed_by_stock(message(sequence=bytes(9)), monkeypatch)
    assert not blamed_by_stock(message(), monkeypatch)
