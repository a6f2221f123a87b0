"""A holder signs what is paid, of the code and on its disk, and nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.da.custody import Custody, offer_of
from tests.da.sender import BLOB, EIGHT, ENCODING, LENGTH, kept_rows, offered, run, signed
from zg_node.da.lines import SELF
from zg_node.da.messages import Signature
from zg_node.da.shelf import Shelf
from zg_node.errors import InvalidMessage, Unavailable


def test_every_holder_signs_and_has_its_rows_durably(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        _, offer = await offered(custody)
        assignment = await custody.assignment(offer.blob)
        for index, member in enumerate(custody.members):
            assert signed(member, offer, await custody.offer(member, offer))
            wanted = assignment.rows_of(index)
            assert kept_rows(member, offer) == set(wanted)
            assert sorted(member.store.rows(offer.blob, wanted)) == sorted(ENCODING.rows(wanted))
            assert member.store.checksums(offer.blob) == ENCODING.checksums()

    run(tmp_path, test)


def test_rows_are_synced_before_the_signature_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    plain = Shelf.sync

    def sync(shelf: Shelf) -> None:
        plain(shelf)
        order.append("sync")

    monkeypatch.setattr(Shelf, "sync", sync)

    async def test(custody: Custody) -> None:
        _, offer = await offered(custody)
        member = custody.members[0]
        sign = member.custodian._key.sign_recoverable

        class Watched:
            def sign_recoverable(self, message: bytes, hasher: None) -> bytes:
                order.append("sign")
                return sign(message, hasher=hasher)

        member.custodian._key = Watched()
        await custody.offer(member, offer)
        assert order == ["sync", "sign"]

    run(tmp_path, test)


def test_the_same_offer_gets_the_same_signature_and_pulls_nothing_again(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody)
        member = custody.members[0]
        first = await asyncio.gather(*(custody.offer(member, offer) for _ in range(3)))
        count = len(sender.asked)
        assert await custody.offer(member, offer) == first[0] == first[1] == first[2]
        assert len(sender.asked) == count == 1

    run(tmp_path, test)


def test_a_node_that_is_alone_offers_to_itself(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        (member,) = custody.members
        offer = offer_of(ENCODING, LENGTH)
        custody.ledger.requests.add(offer.blob)
        with member.outbox.hold(ENCODING, BLOB):
            answer = await member.lines.ask(SELF, offer.encode(), 5.0)
        assert signed(member, offer, Signature.decode(answer).signature)
        assert member.moved == [0, 0]

    run(tmp_path, test, (1,))


def test_nothing_is_pulled_or_signed_that_is_not_paid_for(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody)
        custody.ledger.requests = {replace(offer.blob, expiry=8)}
        with pytest.raises(Unavailable):
            await custody.offer(custody.members[0], offer)
        with pytest.raises(Unavailable, match="no paid request"):
            await custody.members[0].custodian.accept("sender", offer)
        assert sender.asked == []
        assert custody.members[0].network is not None
        assert custody.members[0].network.reports == []

    run(tmp_path, test)


@pytest.mark.parametrize(("epoch", "expiry"), [(6, 8), (3, 8), (4, 4), (0, 1)])
def test_blobs_of_other_epochs_are_refused(tmp_path: Path, epoch: int, expiry: int) -> None:
    async def test(custody: Custody) -> None:
        offer = offer_of(ENCODING, LENGTH, epoch, expiry)
        custody.ledger.requests.add(offer.blob)
        with pytest.raises(Unavailable, match=f"a blob of epochs {epoch} to {expiry}, in epoch 5"):
            await custody.members[0].custodian.accept("sender", offer)

    run(tmp_path, test)


def test_who_is_no_holder_of_the_epoch_signs_nothing(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        _, offer = await offered(custody)
        custody.ledger.sets[5] = custody.set_of((0, *EIGHT[1:]))
        with pytest.raises(Unavailable, match="no holder of epoch 5"):
            await custody.members[0].custodian.accept("sender", offer)

    run(tmp_path, test)


def test_another_length_than_the_headers_is_the_senders_fault(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        _, offer = await offered(custody)
        with pytest.raises(InvalidMessage, match="another length"):
            await custody.members[0].custodian.accept("sender", replace(offer, blob=replace(offer.blob, length=1)))

    run(tmp_path, test)


def test_a_full_store_refuses_before_anything_is_pulled(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody)
        custody.members[0].store.capacity_bytes = 10_000
        with pytest.raises(Unavailable, match="the store is full"):
            await custody.members[0].custodian.accept("sender", offer)
        assert sender.asked == []

    run(tmp_path, test)
