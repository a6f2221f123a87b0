"""What a blob costs and who gets it: refunds, credits after expiry, and every wei accounted for."""

from __future__ import annotations

from pathlib import Path

import pytest
import rlp

from tests.contracts.data_books import check
from tests.contracts.data_chain import RULES, SIGNERS, DataChain, call
from tests.contracts.hostile import reentrant
from tests.contracts.staking_chain import COIN, OPERATORS, VOTERS, account
from zg_node.contracts import da
from zg_node.da.certificate import Blob
from zg_node.types.hashing import keccak

ALICE, BOB = 0, 1
PEOPLE = (ALICE, BOB, 2, 3, *OPERATORS)
REQUEST_BLOCKS = 8
assert RULES["request_blocks"] == REQUEST_BLOCKS


@pytest.fixture
def chain(tmp_path: Path) -> DataChain:
    return DataChain(tmp_path / "state")


def earned(chain: DataChain, number: int, data: bytes, payee: int) -> int:
    """Wei that `payee` has more after a transaction of `number`, its gas left out."""
    before = chain.balance(account(payee))
    gas = chain.act(number, data)
    return chain.balance(account(payee)) - before + (gas if number == payee else 0)


# ── refunds ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_blob_without_a_certificate_is_paid_back_to_its_payer(chain: DataChain) -> None:
    blob = chain.request(chain.blob(), sender=ALICE)
    refund = da.refund(blob.id(chain.network))
    chain.advance(REQUEST_BLOCKS - 1)
    assert chain.fails(BOB, refund) == "TooEarly()"
    assert earned(chain, BOB, refund, ALICE) == chain.fee(blob)
    assert chain.events()[0][0] == "Refunded"
    check(chain, SIGNERS, [blob], PEOPLE)


def test_a_refund_comes_once_and_ends_the_request(chain: DataChain) -> None:
    blob = chain.request(chain.blob())
    other = chain.request(chain.blob("another"))
    chain.advance(REQUEST_BLOCKS)
    refund = da.refund(blob.id(chain.network))
    chain.act(BOB, refund)
    assert chain.refused(BOB, refund) == "UnknownBlob()"
    assert chain.refused(BOB, chain.certificate(blob, range(4))) == "UnknownBlob()"
    check(chain, SIGNERS, [blob, other], PEOPLE)
    chain.certified(blob)
    assert chain.read("isCertified", blob.id(chain.network))


def test_what_was_certified_is_not_paid_back(chain: DataChain) -> None:
    blob = chain.certified()
    chain.advance(REQUEST_BLOCKS + 1)
    assert chain.refused(ALICE, da.refund(blob.id(chain.network))) == "AlreadyCertified()"
    assert chain.refused(ALICE, da.refund(bytes(32))) == "UnknownBlob()"


# ── credits ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_signers_earn_by_stake_after_expiry(chain: DataChain) -> None:
    blob = chain.certified(chain.blob(epochs=2), indices=range(4))
    fee, blob_id = chain.fee(blob), blob.id(chain.network)
    shares = dict(zip(VOTERS, (400, 100, 64, 36), strict=True))
    chain.end_epoch()
    assert chain.refused(ALICE, da.claim(account(VOTERS[0]), [blob_id])) == "TooEarly()"
    chain.end_epoch()
    for voter, operator in zip(VOTERS[:3], OPERATORS, strict=False):
        claim = da.claim(account(voter), [blob_id])
        assert earned(chain, BOB, claim, operator) == fee * shares[voter] // 600
        assert chain.refused(BOB, claim) == "AlreadySettled()"
        check(chain, SIGNERS, [blob], PEOPLE)
    assert chain.read("reserve") == 0
    last = earned(chain, BOB, da.claim(account(VOTERS[3]), [blob_id]), OPERATORS[3])
    assert last == fee * 36 // 600
    dust = fee - sum(fee * share // 600 for share in shares.values())
    assert chain.read("reserve") == dust > 0
    assert chain.blob_info(blob).escrow == 0
    check(chain, SIGNERS, [blob], PEOPLE)


def test_who_did_not_sign_earns_nothing_and_the_signers_share_it_all(chain: DataChain) -> None:
    strong = [index for index, (_, stake, _) in enumerate(chain.holders(0)) if stake in (400, 36)]
    blob = chain.certified(chain.blob(epochs=1), indices=strong)
    chain.end_epoch()
    claim = [blob.id(chain.network)]
    assert chain.refused(ALICE, da.claim(account(VOTERS[1]), claim)) == "DidNotSign()"
    assert chain.refused(ALICE, da.claim(account(999), claim)) == "NotTheHolder()"
    assert earned(chain, ALICE, da.claim(account(VOTERS[0]), claim), OPERATORS[0]) == chain.fee(blob) * 400 // 436
    assert earned(chain, ALICE, da.claim(account(VOTERS[3]), claim), OPERATORS[3]) == chain.fee(blob) * 36 // 436


def test_many_blobs_are_claimed_at_once_and_none_twice(chain: DataChain) -> None:
    blobs = [chain.certified(chain.blob(text, epochs=1)) for text in ("one", "two", "three")]
    ids = [blob.id(chain.network) for blob in blobs]
    signer = account(VOTERS[1])
    chain.end_epoch()
    assert chain.refused(BOB, da.claim(signer, [ids[0], ids[0]])) == "AlreadySettled()"
    assert chain.refused(BOB, da.claim(signer, [ids[0], bytes(32)])) == "NotCertified()"
    assert chain.refused(BOB, da.claim(signer, [])) == "NothingToPay()"
    assert earned(chain, BOB, da.claim(signer, ids), OPERATORS[1]) == sum(chain.fee(b) * 100 // 600 for b in blobs)
    assert [chain.blob_info(blob).settled for blob in blobs] == [
        (next(i for i, (s, _, _) in enumerate(chain.holders(0)) if s == signer),)
    ] * 3
    check(chain, SIGNERS, blobs, PEOPLE)


def test_credits_go_to_the_owner_even_after_the_deposit_is_gone(chain: DataChain) -> None:
    blob = chain.certified(chain.blob(epochs=1))
    chain.act(OPERATORS[3], call("requestExit", account(VOTERS[3])))
    chain.end_epochs(5)
    chain.act(OPERATORS[3], call("withdraw", account(VOTERS[3])))
    claim = da.claim(account(VOTERS[3]), [blob.id(chain.network)])
    assert earned(chain, BOB, claim, OPERATORS[3]) == chain.fee(blob) * 36 // 600
    check(chain, SIGNERS, [blob], PEOPLE)


def test_what_is_lost_goes_to_the_validators_rewards(chain: DataChain) -> None:
    blob = chain.certified(chain.blob(epochs=1))
    chain.end_epoch()
    for voter in VOTERS:
        chain.act(BOB, da.claim(account(voter), [blob.id(chain.network)]))
    dust = chain.read("reserve")
    before = chain.staking_reserve()
    chain.act(BOB, call("sweep"))
    assert chain.staking_reserve() == before + dust
    assert chain.read("reserve") == 0
    assert chain.refused(BOB, call("sweep")) == "NothingToPay()"
    check(chain, SIGNERS, [blob], PEOPLE)


def test_nobody_collects_what_it_is_not_owed(chain: DataChain) -> None:
    assert chain.refused(ALICE, call("collect")) == "NothingToPay()"


# ── reentrancy ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_is_paid_back_cannot_call_back(chain: DataChain) -> None:
    """The payer is a contract that asks for its second refund while it is paid the first."""
    found = chain.state.account(chain.head, account(ALICE))
    assert found is not None
    payer = keccak(rlp.encode([account(ALICE), found[0]]))[12:]
    first, second = chain.blob("first"), chain.blob("second")
    again = da.refund(second.id(chain.network))
    assert chain.send(ALICE, reentrant(da.DATA_AVAILABILITY, again), to=None).success
    for blob in (first, second):
        value = chain.fee(blob)
        assert chain.send(ALICE, value.to_bytes(32, "big") + da.request(blob), to=payer, value=value).success
        assert chain.blob_info(blob).payer == payer
    chain.advance(REQUEST_BLOCKS)
    chain.act(BOB, da.refund(first.id(chain.network)))
    assert chain.state.storage(chain.head, payer, 0) == 1, "called back, and was refused"
    assert chain.balance(payer) == chain.fee(first)
    check(chain, SIGNERS, [first, second], PEOPLE)
    chain.act(BOB, again)
    assert chain.balance(payer) == chain.fee(first) + chain.fee(second)


def fees(chain: DataChain, blobs: list[Blob]) -> int:
    return sum(map(chain.fee, blobs))


def test_the_books_balance_through_a_life(chain: DataChain) -> None:
    blobs: list[Blob] = []
    for epoch in range(6):
        blobs.append(chain.certified(chain.blob(f"kept {epoch}", epochs=1 + epoch % 4), sender=epoch % 4))
        blobs.append(chain.request(chain.blob(f"left {epoch}"), sender=epoch % 4))
        assert chain.balance(da.DATA_AVAILABILITY) == 600 * COIN + fees(chain, blobs)
        check(chain, SIGNERS, blobs, PEOPLE)
        chain.end_epoch()
    chain.advance(REQUEST_BLOCKS)
    for blob in blobs[1::2]:
        chain.act(BOB, da.refund(blob.id(chain.network)))
    chain.end_epochs(4)
    for voter in VOTERS:
        chain.act(BOB, da.claim(account(voter), [blob.id(chain.network) for blob in blobs[::2]]))
        check(chain, SIGNERS, blobs, PEOPLE)
    assert chain.balance(da.DATA_AVAILABILITY) == 600 * COIN + chain.read("reserve")
