"""A holder signs what is paid, of the code and on its disk, and nothing else."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from tests.da.cluster import NETWORK
from tests.da.custody import Custody, Member, offer_of
from tests.da.custody import run as run_custody
from zg_node import _core
from zg_node.da.certificate import Tally
from zg_node.da.encoding import BlobHeader
from zg_node.da.lines import QUESTIONS_MAX, SELF
from zg_node.da.messages import Data, DataRequest, Offer, Row, Rows, RowsRequest, Signature, decode_request, row_budget
from zg_node.da.shelf import Shelf
from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.network import Offence

TRIALS = 40
"""Of each kind of lie; the core's own tests have thousands."""
EIGHT = (10, 20, 10, 20, 10, 20, 10, 20)
LENGTH = (1 << 20) - 10
"""So much that rows with their paths are shorter than the blob for each of EIGHT."""
BLOB = random.Random(7).randbytes(LENGTH)
ENCODING = _core.Encoding(BLOB)

Lie = Callable[[random.Random, list[Row], list[int]], list[Row]]
"""(randomness, the true rows, indices of what was asked) → what is sent."""


def run(home: Path, test: Callable[[Custody], Awaitable[None]], stakes: tuple[int, ...] = EIGHT) -> None:
    run_custody(home, test, stakes)


class Sender:
    """Answers what holders pull, truly unless told otherwise."""

    def __init__(self, encoding: _core.Encoding, blob: bytes) -> None:
        self.encoding = encoding
        self.blob = blob
        self.checksums = encoding.checksums()
        self.asked: list[RowsRequest | DataRequest] = []
        self.lie: Callable[[list[Row], list[int]], list[Row]] = lambda rows, asked: rows
        self.piece_bytes = 1 << 20

    async def answer(self, peer: str, message: bytes) -> bytes:
        request = decode_request(message)
        assert isinstance(request, RowsRequest | DataRequest)
        self.asked.append(request)
        if isinstance(request, DataRequest):
            piece = self.blob[request.offset : request.offset + self.piece_bytes]
            return Data(self.encoding.header(), piece).encode()
        rows = self.lie(self.encoding.rows(request.rows), list(request.rows))
        return Rows(self.encoding.header(), self.checksums if request.checksums else b"", tuple(rows)).encode()


async def offered(custody: Custody, encoding: _core.Encoding = ENCODING, blob: bytes = BLOB) -> tuple[Sender, Offer]:
    """A paid offer, and who answers for it."""
    sender, offer = Sender(encoding, blob), offer_of(encoding, len(blob))
    custody.serve(sender.answer)
    custody.ledger.requests.add(offer.blob)
    return sender, offer


def signed(member: Member, offer: Offer, signature: bytes) -> bool:
    return _core.recover_addresses([(offer.blob.digest(NETWORK), signature)]) == [member.signer]


def kept_rows(member: Member, offer: Offer) -> frozenset[int]:
    kept = member.store.kept(offer.blob)
    return kept.rows() if kept is not None else frozenset()


# ── what is signed ──────────────────────────────────────────────────────────────────────────────────────────────────


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


@pytest.mark.parametrize("certified", [False, True])
def test_what_was_signed_and_is_lost_is_taken_again_without_another_payment(tmp_path: Path, certified: bool) -> None:
    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody)
        tally = Tally(offer.blob, await custody.ledger.holders(5), NETWORK)
        for index, member in enumerate(custody.members):
            tally.add(index, await custody.offer(member, offer))
        certificate = tally.certificate()
        assert certificate is not None
        if certified:
            await custody.ledger.certify(certificate)
        custody.ledger.now = 6
        paid, asked = custody.ledger.payments, len(sender.asked)
        for index, member in enumerate(custody.members):
            member.store.forget(offer.blob)
            member.store.sync()
            assert signed(member, offer, await custody.offer(member, offer))
            wanted = (await custody.assignment(offer.blob)).rows_of(index)
            assert sorted(member.store.rows(offer.blob, wanted)) == sorted(ENCODING.rows(wanted))
            assert member.store.checksums(offer.blob) == ENCODING.checksums()
        assert custody.ledger.payments == paid
        assert len(sender.asked) > asked

    run(tmp_path, test)


def test_nothing_is_signed_again_before_it_was_read_and_what_is_damaged_is_pulled_again(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody)
        member = custody.members[0]
        first = await custody.offer(member, offer)
        wanted = (await custody.assignment(offer.blob)).rows_of(0)
        path = member.home / "7" / "00000001.rows"
        content = bytearray(path.read_bytes())
        content[-10] ^= 1
        path.write_bytes(content)
        sender.asked.clear()
        assert await custody.offer(member, offer) == first
        assert [len(asked.rows) for asked in sender.asked if isinstance(asked, RowsRequest)] == [1]
        assert sorted(member.store.rows(offer.blob, wanted)) == sorted(ENCODING.rows(wanted))

    run(tmp_path, test)


def test_a_blob_longer_than_an_answer_comes_in_parts(tmp_path: Path) -> None:
    blob = random.Random(1).randbytes(9 << 20)
    encoding = _core.Encoding(blob)

    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody, encoding, blob)
        (member,) = custody.members
        assert signed(member, offer, await custody.offer(member, offer))
        parts = [request for request in sender.asked if isinstance(request, RowsRequest)]
        assert len(parts) == len(sender.asked) == -(-4096 // row_budget(9216, 384))
        assert [part.checksums for part in parts] == [True] + [False] * (len(parts) - 1)
        assert len(kept_rows(member, offer)) == 4096

    run(tmp_path, test, (1,))


def test_whose_rows_are_longer_than_the_blob_asks_for_the_blob(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody)
        sender.piece_bytes = 300_000
        member = custody.members[0]
        assert signed(member, offer, await custody.offer(member, offer))
        assert sender.asked == [DataRequest(offer.blob.commitment, at) for at in (0, 300_000, 600_000, 900_000)]
        wanted = (await custody.assignment(offer.blob)).rows_of(0)
        assert sorted(member.store.rows(offer.blob, wanted)) == sorted(ENCODING.rows(wanted))

    run(tmp_path, test, (2, 1))


def test_a_kilobyte_moves_little_more_than_itself_to_each_holder(tmp_path: Path) -> None:
    blob = BLOB[:1024]
    encoding = _core.Encoding(blob)

    async def test(custody: Custody) -> None:
        _, offer = await offered(custody, encoding, blob)
        for member in custody.members:
            assert signed(member, offer, await custody.offer(member, offer))
            assert sum(member.moved) < 1400
            assert len(kept_rows(member, offer)) == 64

    run(tmp_path, test, (1,) * 16)


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


# ── what is not ─────────────────────────────────────────────────────────────────────────────────────────────────────


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


def test_one_peer_cannot_take_all_turns(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        member, stalled, forever = custody.members[0], asyncio.Event(), asyncio.Event()
        asked = 0

        async def stall(peer: str, message: bytes) -> bytes:
            nonlocal asked
            asked += 1
            if asked == QUESTIONS_MAX:
                stalled.set()
            await forever.wait()
            raise Unavailable("too late")

        custody.serve(stall)
        offers = [offer_of(_core.Encoding(BLOB[: 70_000 + size]), 70_000 + size) for size in range(9)]
        custody.ledger.requests |= {offer.blob for offer in offers}
        waiting = [asyncio.ensure_future(member.custodian.accept("sender", offer)) for offer in offers[:8]]
        await stalled.wait()
        for _ in range(100):  # those that may not ask yet have their turns, too
            await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="8 requests of this peer"):
            await member.custodian.accept("sender", offers[8])
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    run(tmp_path, test)


def test_what_a_broken_pull_has_brought_is_not_pulled_again(tmp_path: Path) -> None:
    blob = random.Random(1).randbytes(9 << 20)
    encoding = _core.Encoding(blob)

    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody, encoding, blob)
        (member,) = custody.members
        parts = 0

        def spoil(rows: list[Row], asked: list[int]) -> list[Row]:
            nonlocal parts
            parts += 1
            return rows if parts != 3 else [(rows[0][0], flip(rows[0][1], 5), rows[0][2]), *rows[1:]]

        sender.lie = spoil
        with pytest.raises(InvalidMessage, match="not the committed bytes"):
            await member.custodian.accept("sender", offer)
        budget = row_budget(9216, 384)
        assert len(kept_rows(member, offer)) == 2 * budget
        sender.asked.clear()
        assert signed(member, offer, await member.custodian.accept("sender", offer))
        asked = [row for request in sender.asked if isinstance(request, RowsRequest) for row in request.rows]
        assert len(asked) == len(set(asked)) == 4096 - 2 * budget

    run(tmp_path, test, (1,))


# ── lies ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def flip(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def changed_symbol(rng: random.Random, rows: list[Row], asked: list[int]) -> list[Row]:
    at = rng.randrange(len(rows))
    index, row, path = rows[at]
    return [*rows[:at], (index, flip(row, rng.randrange(8 * len(row))), path), *rows[at + 1 :]]


def changed_path(rng: random.Random, rows: list[Row], asked: list[int]) -> list[Row]:
    at = rng.randrange(len(rows))
    index, row, path = rows[at]
    return [*rows[:at], (index, row, flip(path, rng.randrange(8 * len(path)))), *rows[at + 1 :]]


def truncated(rng: random.Random, rows: list[Row], asked: list[int]) -> list[Row]:
    at = rng.randrange(len(rows))
    index, row, path = rows[at]
    return [*rows[:at], (index, row[: rng.randrange(len(row))], path), *rows[at + 1 :]]


def swapped(rng: random.Random, rows: list[Row], asked: list[int]) -> list[Row]:
    first, second = rng.sample(range(len(rows)), 2)
    changed = list(rows)
    changed[first], changed[second] = (rows[first][0], *rows[second][1:]), (rows[second][0], *rows[first][1:])
    return changed


def another(rng: random.Random, rows: list[Row], asked: list[int]) -> list[Row]:
    other = rng.choice([index for index in range(4096) if index not in asked])
    return [*rows[:-1], ENCODING.rows([other])[0]]


def twice(rng: random.Random, rows: list[Row], asked: list[int]) -> list[Row]:
    return [*rows, rng.choice(rows)]


def nothing(rng: random.Random, rows: list[Row], asked: list[int]) -> list[Row]:
    return []


@pytest.mark.parametrize(
    "lie", [changed_symbol, changed_path, truncated, swapped, another, twice, nothing], ids=lambda lie: lie.__name__
)
def test_rows_that_are_not_the_committed_ones_are_not_signed_for(tmp_path: Path, lie: Lie) -> None:
    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody)
        rng = random.Random(lie.__name__)
        sender.lie = partial(lie, rng)
        for _ in range(TRIALS):
            member = rng.choice(custody.members)
            with pytest.raises(InvalidMessage):
                await member.custodian.accept("sender", offer)
            assert not kept_rows(member, offer)

    run(tmp_path, test)


def test_an_answer_about_another_blob_is_refused(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody)
        sender.encoding = _core.Encoding(flip(BLOB, 3))
        with pytest.raises(InvalidMessage, match="not of the blob that was offered"):
            await custody.members[0].custodian.accept("sender", offer)

    for index, stakes in enumerate((EIGHT, (1,))):
        run(tmp_path / str(index), test, stakes)


def test_whoever_sends_false_rows_is_reported(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody)
        sender.lie = partial(changed_symbol, random.Random(1))
        with pytest.raises(Unavailable, match="refused"):
            await custody.offer(custody.members[0], offer)
        assert custody.members[0].network is not None
        assert custody.members[0].network.reports == [("sender", Offence.MALFORMED)]

    run(tmp_path, test)


def test_false_checksums_are_not_signed_for(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody)
        rng = random.Random(3)
        for trial in range(TRIALS):
            true = ENCODING.checksums()
            sender.checksums = flip(true, rng.randrange(8 * len(true))) if trial else true[:-16]
            with pytest.raises(InvalidMessage, match="checksums"):
                await custody.members[0].custodian.accept("sender", offer)
        assert not kept_rows(custody.members[0], offer)

    run(tmp_path, test)


class Forged:
    """A sound tree over rows that are no codeword: other parity under a header of its own, checksums of the data."""

    def __init__(self, spoil: Callable[[int, bytes], bytes]) -> None:
        k, n, _ = _core.erasure_shape(LENGTH)
        self._rows = [spoil(index, row) for index, row, _ in ENCODING.rows(range(k + n))]
        self._levels = [[_cells_root(row) for row in self._rows]]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            self._levels.append([sha256(b"\1" + below[at] + below[at + 1]).digest() for at in range(0, len(below), 2)])
        true = BlobHeader.parse(ENCODING.header())
        self._header = replace(true, row_root=self._levels[-1][0]).encode()

    def header(self) -> bytes:
        return self._header

    def checksums(self) -> bytes:
        return ENCODING.checksums()

    def rows(self, indices: tuple[int, ...]) -> list[Row]:
        return [(index, self._rows[index], self._path(index)) for index in indices]

    def _path(self, index: int) -> bytes:
        return b"".join(level[(index >> height) ^ 1] for height, level in enumerate(self._levels[:-1]))


def _cells_root(row: bytes) -> bytes:
    assert len(row) <= 1024
    return sha256(b"\0" + row).digest()


@pytest.mark.parametrize("kind", ["all of the parity", "one symbol of every parity row", "nothing but the root's seed"])
def test_a_sound_tree_over_what_is_no_codeword_is_not_signed_for(tmp_path: Path, kind: str) -> None:
    def spoil(index: int, row: bytes) -> bytes:
        if index < 1024 or kind.startswith("nothing"):
            return row
        return random.Random(index).randbytes(len(row)) if kind.startswith("all") else flip(row, index % 256)

    forged = Forged(spoil)

    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody, forged, BLOB)  # type: ignore[arg-type]
        for member in custody.members:
            sender.lie = lambda rows, asked: rows
            if kind.startswith("nothing"):
                sender.checksums = ENCODING.checksums()
                assert forged.header() == ENCODING.header()
                assert signed(member, offer, await member.custodian.accept("sender", offer))
                continue
            with pytest.raises(InvalidMessage, match="checksum"):
                await member.custodian.accept("sender", offer)
            assert not kept_rows(member, offer)

    run(tmp_path, test)


def test_data_of_another_blob_is_not_signed_for(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody)
        member = custody.members[0]
        for wrong, reason in ((flip(BLOB, 77), "another blob"), (BLOB + b"more", "not of the blob")):
            sender.blob = wrong
            with pytest.raises(InvalidMessage, match=reason):
                await member.custodian.accept("sender", offer)
        assert not kept_rows(member, offer)

    run(tmp_path, test, (1,))
