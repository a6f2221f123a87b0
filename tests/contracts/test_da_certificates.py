"""Certificates: two thirds of the stake that held in the blob's epoch, once, for exactly what was paid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.contracts.data_chain import RULES, DataChain, crowd, data_file, encoded
from tests.contracts.staking_chain import COIN, account, sign
from zg_node import _core
from zg_node.contracts import da
from zg_node.da.certificate import Blob
from zg_node.execution.genesis import parse

REQUEST_BLOCKS = 8
assert RULES["request_blocks"] == REQUEST_BLOCKS


@pytest.fixture
def chain(tmp_path: Path) -> DataChain:
    return DataChain(tmp_path / "state")


def by_stake(chain: DataChain, *stakes: int) -> list[int]:
    """Indices of the genesis holders with these stakes."""
    return [index for index, (_, stake, _) in enumerate(chain.holders(0)) if stake in stakes]


def test_what_two_thirds_signed_is_certified(chain: DataChain) -> None:
    blob = chain.request(chain.blob())
    blob_id = blob.id(chain.network)
    assert not chain.read("isCertified", blob_id)
    assert da.decode_certificate_of(chain.ask(da.certificate_of_call(blob.commitment))) is None
    chain.act(3, chain.certificate(blob, range(4)))
    assert chain.events() == [("Certified", {"id": blob_id, "commitment": blob.commitment, "signers": 0b1111})]
    assert chain.read("isCertified", blob_id)
    info = chain.blob_info(blob)
    assert (info.certified_in, info.signers, info.signed_stake) == (chain.number, (0, 1, 2, 3), 600)
    assert (info.commitment, info.length, info.quorum, info.epoch, info.expiry) == blob.items()
    assert da.decode_certificate_of(chain.ask(da.certificate_of_call(blob.commitment))) == (blob_id, info)


def test_a_light_client_finds_the_certificate_in_one_slot(chain: DataChain) -> None:
    blob = chain.blob()
    slot = int.from_bytes(da.certified_key(blob.commitment), "big")
    chain.request(blob)
    assert chain.state.storage(chain.head, da.DATA_AVAILABILITY, slot) == 0
    chain.act(0, chain.certificate(blob, range(4)))
    found = chain.state.storage(chain.head, da.DATA_AVAILABILITY, slot)
    assert found == int.from_bytes(blob.id(chain.network), "big")


def test_less_than_two_thirds_are_not_enough(tmp_path: Path) -> None:
    chain = crowd(tmp_path, [100] * 7)
    blob = chain.request(chain.blob())
    assert chain.refused(0, chain.certificate(blob, range(4))) == "NoQuorum(400, 700)"
    chain.act(0, chain.certificate(blob, range(5)))


def test_two_thirds_are_one_coin_short_of_a_quorum(tmp_path: Path) -> None:
    chain = crowd(tmp_path, [200, 200, 200])
    blob = chain.request(chain.blob())
    assert chain.refused(0, chain.certificate(blob, (0, 2))) == "NoQuorum(400, 600)"
    other = crowd(tmp_path / "other", [201, 200, 199])
    blob = other.request(other.blob())
    stakes = [stake for _, stake, _ in other.holders(0)]
    strong, weak = (sorted((stakes.index(201), stakes.index(value))) for value in (200, 199))
    assert other.refused(0, other.certificate(blob, weak)) == "NoQuorum(400, 600)"
    other.act(0, other.certificate(blob, strong))


def test_a_signature_counts_once_whatever_its_place(chain: DataChain) -> None:
    """The signers are a set of bits: who signs twice cannot even be written, and signatures follow the bits."""
    blob = chain.request(chain.blob())
    blob_id, strongest = blob.id(chain.network), by_stake(chain, 400)[0]
    one = chain.signature(blob, strongest)
    certify = da.function("certify")
    assert chain.refused(0, certify.encode(blob_id, 1 << strongest, one + one)) == "BadSignatures()"
    other = (strongest + 1) % 4
    assert chain.refused(0, certify.encode(blob_id, 1 << strongest | 1 << other, one)) == (
        "BadSignatures()" if other > strongest else f"BadSignature({other})"
    )
    assert chain.refused(0, certify.encode(blob_id, 1 << strongest | 1 << other, one + one)) == f"BadSignature({other})"


def test_signatures_in_another_order_are_refused(chain: DataChain) -> None:
    blob = chain.request(chain.blob())
    signatures = [chain.signature(blob, index) for index in (1, 0, 2, 3)]
    data = da.function("certify").encode(blob.id(chain.network), 0b1111, b"".join(signatures))
    assert chain.refused(0, data) == "BadSignature(0)"


def test_the_key_of_no_holder_is_refused(chain: DataChain) -> None:
    blob = chain.request(chain.blob())
    rogue = sign(999, blob.digest(chain.network))
    honest = [(index, chain.signature(blob, index)) for index in range(1, 4)]
    assert chain.refused(0, da.certify(blob.id(chain.network), [(0, rogue), *honest])) == "BadSignature(0)"
    fifth = [(index, chain.signature(blob, index)) for index in range(4)] + [(4, rogue)]
    assert chain.refused(0, da.certify(blob.id(chain.network), fifth)) == "BadSignatures()"
    last = [(index, chain.signature(blob, index)) for index in range(4)] + [(255, rogue)]
    assert chain.refused(0, da.certify(blob.id(chain.network), last)) == "BadSignatures()"


@pytest.mark.parametrize(
    "change",
    [
        {"commitment": bytes(32)},
        {"length": 1},
        {"quorum": 1},
        {"epoch": 1},
        {"expiry": 0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_signatures_of_other_fields_are_refused(chain: DataChain, change: dict[str, object]) -> None:
    blob = chain.request(chain.blob())
    other = replace(blob, **change)  # type: ignore[arg-type]
    signatures = [
        (index, sign(chain.numbers[signer], other.digest(chain.network)))
        for index, (signer, _, _) in enumerate(chain.holders(0))
    ]
    assert chain.refused(0, da.certify(blob.id(chain.network), signatures)) == "BadSignature(0)"
    assert chain.refused(0, da.certify(other.id(chain.network), signatures)) == "UnknownBlob()"


def test_signatures_for_another_network_and_of_the_bare_id_are_refused(chain: DataChain) -> None:
    blob = chain.request(chain.blob())
    for digest in (blob.digest(bytes(32)), blob.id(chain.network)):
        signatures = [(i, sign(chain.numbers[signer], digest)) for i, (signer, _, _) in enumerate(chain.holders(0))]
        assert chain.refused(0, da.certify(blob.id(chain.network), signatures)) == "BadSignature(0)"


def test_holders_of_another_epoch_do_not_count(chain: DataChain) -> None:
    """Account 300 holds from epoch 2 on: its signature is worth nothing for a blob of epoch 1."""
    chain.act(1, da.register(account(300), "", sign(300, da.registration_digest(chain.network, 7, account(1)))),
              value=5_000 * COIN)  # fmt: skip
    chain.numbers[account(300)] = 300
    chain.end_epoch()
    late = chain.request(chain.blob("late"))
    chain.end_epoch()
    members = [signer for signer, _, _ in chain.holders(2)]
    signatures = [
        (index, sign(chain.numbers[signer], late.digest(chain.network))) for index, signer in enumerate(members)
    ]
    assert chain.refused(0, da.certify(late.id(chain.network), signatures)).startswith("BadSignature")
    chain.act(0, chain.certificate(late, range(4)))
    now = chain.request(chain.blob("now"))
    assert chain.refused(0, chain.certificate(now, [i for i in range(5) if members[i] != account(300)])) == (
        "NoQuorum(600, 5600)"
    )
    chain.act(0, chain.certificate(now, [members.index(account(300))]))


def test_a_blob_is_certified_once(chain: DataChain) -> None:
    blob = chain.certified(indices=by_stake(chain, 400, 100))
    assert chain.refused(0, chain.certificate(blob, range(4))) == "AlreadyCertified()"
    assert chain.refused(0, da.request(blob), value=chain.fee(blob)) == "AlreadyRequested()"
    assert chain.blob_info(blob).signed_stake == 500


def test_what_nobody_paid_for_cannot_be_certified(chain: DataChain) -> None:
    assert chain.refused(0, chain.certificate(chain.blob(), range(4))) == "UnknownBlob()"


def test_a_certificate_that_comes_too_late_is_refused(chain: DataChain) -> None:
    first, second = chain.blob("first"), chain.blob("second")
    chain.request(second)
    chain.advance(REQUEST_BLOCKS - 1)
    chain.act(0, chain.certificate(second, range(4)))  # in the last block that may have it
    chain.request(first)
    chain.advance(REQUEST_BLOCKS)
    assert chain.fails(0, chain.certificate(first, range(4))) == "TooLate()"


def test_a_blob_past_its_expiry_is_not_certified(chain: DataChain) -> None:
    blob = chain.request(chain.blob(epochs=1))
    chain.end_epoch()
    assert chain.refused(0, chain.certificate(blob, range(4))) == "Expired()"


def test_the_certificate_that_lasts_longest_stands_for_a_commitment(chain: DataChain) -> None:
    short, long, middle = (chain.blob(epochs=epochs) for epochs in (1, 3, 2))
    for blob in (short, long, middle):
        chain.certified(blob)
    found = da.decode_certificate_of(chain.ask(da.certificate_of_call(short.commitment)))
    assert found is not None
    assert found[0] == long.id(chain.network)
    assert chain.read("certificateCount") == 3
    pages = [da.decode_certificates(chain.ask(da.certificates_from_call(first, 2))) for first in (0, 2, 4)]
    assert [[info.expiry for info in page] for page in pages] == [[0, 2], [1], []]


def test_67_signers_fit_3_million_gas(tmp_path: Path) -> None:
    chain = crowd(tmp_path, [40] * 100)
    blob = chain.request(chain.blob())
    assert chain.refused(0, chain.certificate(blob, range(66))) == "NoQuorum(2640, 4000)"
    assert chain.act(0, chain.certificate(blob, range(33, 100))) < 1_000_000


def test_256_signers_fit_a_transaction(tmp_path: Path) -> None:
    chain = crowd(tmp_path, [40] * 256)
    blob = chain.request(chain.blob())
    assert chain.act(0, chain.certificate(blob, range(256))) < 3_000_000
    assert chain.blob_info(blob).signers == tuple(range(256))


# ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_request_says_what_will_be_signed(chain: DataChain) -> None:
    blob = chain.request(chain.blob(epochs=3), sender=2)
    [(name, fields)] = chain.events()
    assert name == "Requested"
    assert fields == {
        "id": blob.id(chain.network), "commitment": blob.commitment, "payer": "0x" + account(2).hex(),
        "length": blob.length, "quorum": 0, "epoch": 0, "expiry": 2, "fee": chain.fee(blob),
    }  # fmt: skip
    assert chain.read("signedDigest", blob.id(chain.network)) == blob.digest(chain.network)
    info = chain.blob_info(blob)
    assert (info.payer, info.requested_in, info.certified_in) == (account(2), chain.number, 0)
    assert info.fee == info.escrow == chain.fee(blob) == blob.length * 1_000 * 3 + 77


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"epoch": 1, "expiry": 1}, "WrongEpoch(0)"),
        ({"length": 0}, "BadLength()"),
        ({"length": (128 << 20) + 1}, "BadLength()"),
        ({"quorum": 1}, "UnknownQuorum(1)"),
        ({"expiry": 4}, "BadExpiry(4)"),
        ({"expiry": 2**64 - 1}, "BadExpiry(4)"),
    ],
)
def test_requests_out_of_bounds_are_refused(chain: DataChain, change: dict[str, int], error: str) -> None:
    blob: Blob = replace(chain.blob(), **change)  # type: ignore[arg-type]
    assert chain.refused(0, da.request(blob), value=10**15) == error


def test_a_request_in_the_next_epoch_is_refused(chain: DataChain) -> None:
    blob = chain.blob()
    chain.end_epoch()
    assert chain.refused(0, da.request(blob), value=chain.fee(blob)) == "WrongEpoch(1)"
    back = replace(blob, epoch=1, expiry=0)
    assert chain.refused(0, da.request(back), value=10**15) == "BadExpiry(4)"


def test_the_fee_is_exact(chain: DataChain) -> None:
    blob = chain.blob()
    fee = chain.fee(blob)
    for value in (0, fee - 1, fee + 1):
        assert chain.refused(0, da.request(blob), value=value) == f"WrongValue({fee})"
    largest = replace(blob, length=128 << 20, expiry=3)
    chain.request(largest)
    assert chain.blob_info(largest).fee == (128 << 20) * 4 * 1_000 + 77


def test_the_dearest_fee_does_not_overflow(tmp_path: Path) -> None:
    highest = 2**63 - 1
    rules = data_file(byte_price_wei=highest, blob_price_wei=highest, life_epochs=1_000_000)
    chain = DataChain(tmp_path, parse(rules, "dear"))
    assert chain.read("feeOf", 128 << 20, 1_000_000) == highest * (128 << 20) * 1_000_000 + highest < 2**128


def test_the_cells_of_these_tests_are_real() -> None:
    encoding = encoded("a blob")
    assert _core.refused_cells(encoding.header(), encoding.cells([(0, 0)])) == []
