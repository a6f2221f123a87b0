"""Serve or be slashed: who is asked, what answers, and what silence costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.data_books import check
from tests.contracts.data_chain import BOND, RULES, SIGNERS, DataChain, call, data_file, encoded, reach_last_block_but
from tests.contracts.staking_chain import COIN, OPERATORS, VOTERS, account
from zg_node.contracts import da
from zg_node.da.certificate import Blob
from zg_node.execution.genesis import parse

ALICE, BOB, CAROL = 0, 1, 2
PEOPLE = (ALICE, BOB, CAROL, 3, *OPERATORS, *VOTERS)
ANSWER_BLOCKS = 10
ROWS = 32 + 96
assert RULES["answer_blocks"] == ANSWER_BLOCKS
STAKE = {account(voter): stake for voter, stake in zip(VOTERS, (400, 100, 64, 36), strict=True)}
OWNER = {account(voter): operator for voter, operator in zip(VOTERS, OPERATORS, strict=True)}


@pytest.fixture
def chain(tmp_path: Path) -> DataChain:
    return DataChain(tmp_path / "state")


def row_of(chain: DataChain, blob: Blob, voter: int) -> int:
    """A row whose first holder signs with this account's key."""
    spread = chain.assignment(blob, ROWS)
    return spread.rows_of([signer for signer, _, _ in chain.holders(blob.epoch)].index(account(voter)))[0]


def challenged(chain: DataChain, blob: Blob, voter: int, challenger: int = BOB) -> int:
    """Ask a holder for the first cell of one of its rows; returns the challenge's number."""
    number = int(chain.read("challengeCount"))
    row = row_of(chain, blob, voter)
    chain.act(challenger, da.challenge(blob.id(chain.network), row, 0), value=BOND)
    found = da.decode_challenge_info(chain.ask(da.challenge_info_call(number)))
    deadline = chain.number + ANSWER_BLOCKS
    assert found == da.ChallengeInfo(blob.id(chain.network), account(voter), account(challenger), row, 0, deadline)
    return number


def answer(number: int, row: int, text: str = "a blob", cell: int = 0) -> bytes:
    """Call data with the cell of that row."""
    encoding = encoded(text)
    [(_, _, data, path)] = encoding.cells([(row, cell)])
    return da.answer(number, encoding.header(), data, path)


def test_the_shape_of_these_tests_is_the_contracts(chain: DataChain) -> None:
    blob = chain.certified()
    assert (blob.length, len(encoded("a blob").rows([127])), encoded("a blob").header()[1:5].hex()) == (
        5126,
        1,
        "00200060",
    )
    blob_id = blob.id(chain.network)
    assert chain.refused(BOB, da.challenge(blob_id, 128, 0), value=BOND) == "NoSuchCell()"
    assert chain.refused(BOB, da.challenge(blob_id, 127, 1), value=BOND) == "NoSuchCell()"


@pytest.mark.parametrize("who", ["signer", "owner"])
def test_a_holder_answers_and_has_half_of_the_bond(chain: DataChain, who: str) -> None:
    blob = chain.certified()
    chain.send(ALICE, b"", value=COIN, to=account(VOTERS[0]))
    number = challenged(chain, blob, VOTERS[0])
    assert chain.holder(account(VOTERS[0])).open == 1
    check(chain, SIGNERS, [blob], PEOPLE)
    row = row_of(chain, blob, VOTERS[0])
    gas = chain.act(VOTERS[0] if who == "signer" else OPERATORS[0], answer(number, row))
    assert gas < 200_000
    assert chain.events() == [("Answered", {"number": number, "signer": "0x" + account(VOTERS[0]).hex()})]
    assert (chain.owed(OPERATORS[0]), chain.read("reserve"), chain.owed(BOB)) == (BOND // 2, BOND // 2, 0)
    info = chain.holder(account(VOTERS[0]))
    assert (info.stake, info.open) == (400 * COIN, 0)
    check(chain, SIGNERS, [blob], PEOPLE)


def test_an_answer_counts_once(chain: DataChain) -> None:
    blob = chain.certified()
    number = challenged(chain, blob, VOTERS[0])
    data = answer(number, row_of(chain, blob, VOTERS[0]))
    chain.act(OPERATORS[0], data)
    assert chain.refused(OPERATORS[0], data) == "UnknownChallenge()"
    chain.advance(ANSWER_BLOCKS + 1)
    assert chain.refused(BOB, da.settle(number)) == "UnknownChallenge()"
    assert chain.refused(BOB, da.settle(99)) == "UnknownChallenge()"


def test_an_answer_comes_from_the_holder_that_was_asked(chain: DataChain) -> None:
    blob = chain.certified()
    number = challenged(chain, blob, VOTERS[0])
    data = answer(number, row_of(chain, blob, VOTERS[0]))
    for other in (OPERATORS[1], BOB):
        assert chain.refused(other, data) == "NotTheHolder()"


def test_wrong_cells_do_not_answer(chain: DataChain) -> None:
    blob = chain.certified()
    number, row = challenged(chain, blob, VOTERS[0]), row_of(chain, blob, VOTERS[0])
    encoding = encoded("a blob")
    [(_, _, data, path)] = encoding.cells([(row, 0)])
    wrong = [
        answer(number, (row + 1) % 128),
        answer(number, row, "another"),
        da.answer(number, encoding.header(), data[:-1] + bytes([data[-1] ^ 1]), path),
        da.answer(number, encoding.header(), data[:-1], path),
        da.answer(number, encoding.header(), data + b"\0", path),
        da.answer(number, encoding.header(), data, path[:-32]),
        da.answer(number, encoding.header(), data, path + bytes(32)),
        da.answer(number, encoding.header()[:-1], data, path),
        da.answer(number, b"", b"", b""),
    ]
    for attempt in wrong:
        assert chain.refused(OPERATORS[0], attempt) == "BadCell()"
    chain.act(OPERATORS[0], answer(number, row))


def test_silence_is_slashed_and_the_credit_goes_back(chain: DataChain) -> None:
    blob = chain.certified(chain.blob(epochs=3), sender=CAROL)
    number = challenged(chain, blob, VOTERS[1])
    chain.advance(ANSWER_BLOCKS - 1)
    assert chain.fails(ALICE, da.settle(number)) == "TooEarly()"
    assert chain.fails(OPERATORS[1], answer(number, row_of(chain, blob, VOTERS[1]))) == "TooLate()"
    chain.act(ALICE, da.settle(number))
    slash, credit = 10 * COIN, chain.fee(blob) * 100 // 600
    assert [name for name, _ in chain.events()] == ["Slashed"]
    assert chain.holder(account(VOTERS[1])).stake == 90 * COIN
    assert chain.owed(BOB) == BOND + slash // 2
    assert chain.read("reserve") == slash // 2
    assert chain.owed(CAROL) == credit
    check(chain, SIGNERS, [blob], PEOPLE)
    assert chain.refused(ALICE, da.settle(number)) == "UnknownChallenge()"
    before = chain.balance(account(BOB))
    gas = chain.act(BOB, call("collect"))
    assert chain.balance(account(BOB)) == before + BOND + slash // 2 - gas
    assert chain.refused(BOB, call("collect")) == "NothingToPay()"
    check(chain, SIGNERS, [blob], PEOPLE)


def test_who_was_slashed_earns_nothing_from_that_blob(chain: DataChain) -> None:
    blob, other = chain.certified(chain.blob(epochs=1)), chain.certified(chain.blob("other", epochs=1))
    number = challenged(chain, blob, VOTERS[1])
    chain.advance(ANSWER_BLOCKS)
    chain.act(ALICE, da.settle(number))
    chain.end_epoch()
    assert chain.refused(BOB, da.claim(account(VOTERS[1]), [blob.id(chain.network)])) == "AlreadySettled()"
    for voter in (VOTERS[0], VOTERS[2], VOTERS[3]):
        chain.act(BOB, da.claim(account(voter), [blob.id(chain.network)]))
    chain.act(BOB, da.claim(account(VOTERS[1]), [other.id(chain.network)]))
    assert chain.blob_info(blob).escrow == 0
    check(chain, SIGNERS, [blob, other], PEOPLE)


def test_a_holder_is_slashed_once_for_a_blob(chain: DataChain) -> None:
    blob = chain.certified()
    first, second = challenged(chain, blob, VOTERS[1]), challenged(chain, blob, VOTERS[1], challenger=3)
    chain.advance(ANSWER_BLOCKS)
    chain.act(ALICE, da.settle(first))
    row = row_of(chain, blob, VOTERS[1])
    assert chain.refused(BOB, da.challenge(blob.id(chain.network), row, 0), value=BOND) == "AlreadySettled()"
    chain.act(ALICE, da.settle(second))
    assert chain.holder(account(VOTERS[1])).stake == 90 * COIN
    assert chain.owed(3) == BOND
    assert chain.holder(account(VOTERS[1])).open == 0
    check(chain, SIGNERS, [blob], PEOPLE)


def test_an_unsettled_challenge_holds_back_the_credit(chain: DataChain) -> None:
    """A deadline may pass with nobody settling until the blob has expired: the credit is still at stake."""
    blob = chain.certified(chain.blob(epochs=1))
    number = challenged(chain, blob, VOTERS[1])
    chain.end_epoch()
    claim = da.claim(account(VOTERS[1]), [blob.id(chain.network)])
    assert chain.refused(BOB, claim) == "TooEarly()"
    chain.act(BOB, da.claim(account(VOTERS[0]), [blob.id(chain.network)]))
    chain.advance(ANSWER_BLOCKS)
    chain.act(BOB, da.settle(number))
    assert chain.refused(BOB, claim) == "AlreadySettled()"


def test_who_leaves_stays_slashable(chain: DataChain) -> None:
    """To the last block of the last promise, and past its release while a challenge is open."""
    signer, owner = account(VOTERS[1]), OPERATORS[1]
    chain.act(owner, call("requestExit", signer))
    chain.end_epoch()
    blob = chain.certified(chain.blob(epochs=4))
    chain.end_epochs(3)
    number = challenged(chain, blob, VOTERS[1])
    chain.end_epoch()
    assert chain.holder(signer).released_in == chain.epoch
    assert chain.refused(owner, call("withdraw", signer)) == "ChallengesOpen(1)"
    chain.advance(ANSWER_BLOCKS)
    chain.act(BOB, da.settle(number))
    before = chain.balance(account(owner))
    gas = chain.act(owner, call("withdraw", signer))
    assert chain.balance(account(owner)) == before + 90 * COIN - gas
    check(chain, SIGNERS, [blob], PEOPLE)


def test_who_falls_below_the_minimum_leaves_the_list(chain: DataChain) -> None:
    """36 coins less 10 % are 32.4: enough. Once more, and they are not."""
    for text in ("one", "two"):
        assert chain.holder(account(VOTERS[3])).listed
        blob = chain.certified(chain.blob(text))
        number = challenged(chain, blob, VOTERS[3])
        chain.advance(ANSWER_BLOCKS)
        chain.act(BOB, da.settle(number))
    info = chain.holder(account(VOTERS[3]))
    assert (info.stake, info.listed) == (36 * COIN * 81 // 100, False)
    chain.end_epoch()
    assert account(VOTERS[3]) not in chain.stakes(2)
    assert chain.stakes(1)[account(VOTERS[3])] == 36
    chain.act(OPERATORS[3], call("requestExit", account(VOTERS[3])))
    chain.act(OPERATORS[2], call("addStake", account(VOTERS[2])), value=COIN)
    chain.end_epoch()
    assert chain.stakes(3)[account(VOTERS[2])] == 65


def test_the_next_sets_count_what_is_left_after_a_slash(chain: DataChain) -> None:
    blob = chain.certified()
    number = challenged(chain, blob, VOTERS[1])
    chain.advance(ANSWER_BLOCKS)
    chain.act(BOB, da.settle(number))
    chain.end_epoch()
    assert chain.stakes(2)[account(VOTERS[1])] == 90


def test_only_signers_of_certified_blobs_are_challenged_with_the_bond(chain: DataChain) -> None:
    blob = chain.request(chain.blob())
    blob_id = blob.id(chain.network)
    row = row_of(chain, blob, VOTERS[3])
    assert chain.refused(BOB, da.challenge(blob_id, row, 0), value=BOND) == "NotCertified()"
    signers = [index for index, (signer, _, _) in enumerate(chain.holders(0)) if signer != account(VOTERS[3])]
    chain.act(ALICE, chain.certificate(blob, signers))
    assert chain.refused(BOB, da.challenge(blob_id, row, 0), value=BOND) == "DidNotSign()"
    row = row_of(chain, blob, VOTERS[0])
    for value in (0, BOND - 1, BOND + 1):
        assert chain.refused(BOB, da.challenge(blob_id, row, 0), value=value) == f"WrongValue({BOND})"
    chain.act(BOB, da.challenge(blob_id, row, 0), value=BOND)


def test_no_deadline_lies_past_the_blobs_last_epoch(chain: DataChain) -> None:
    blob = chain.certified(chain.blob(epochs=1))
    row = row_of(chain, blob, VOTERS[0])
    data = da.challenge(blob.id(chain.network), row, 0)
    reach_last_block_but(chain, ANSWER_BLOCKS + 1, blob.expiry)
    chain.act(BOB, data, value=BOND)  # whose deadline is the epoch's last block
    assert chain.fails(BOB, data, value=BOND) == "Expired()"


def test_a_holder_has_so_many_open_challenges_at_most(tmp_path: Path) -> None:
    chain = DataChain(tmp_path, parse(data_file(answer_blocks=300, life_epochs=40), "patient"))
    blob = chain.certified(chain.blob(epochs=40))
    row = row_of(chain, blob, VOTERS[0])
    data = da.challenge(blob.id(chain.network), row, 0)
    for _ in range(da.OPEN_MAX):
        chain.act(BOB, data, value=BOND)
    assert chain.refused(BOB, data, value=BOND) == "TooManyChallenges()"
    other = row_of(chain, blob, VOTERS[1])
    chain.act(BOB, da.challenge(blob.id(chain.network), other, 0), value=BOND)
    chain.act(OPERATORS[0], answer(7, row))
    chain.act(BOB, data, value=BOND)
    check(chain, SIGNERS, [blob], PEOPLE)
