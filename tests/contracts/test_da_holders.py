"""Holders: deposits in, deposits out, and who may say what for whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.data_books import check
from tests.contracts.data_chain import RULES, SIGNERS, DataChain, call, data_file, register, registration
from tests.contracts.staking_chain import COIN, OPERATORS, STAKES, VOTERS, account
from zg_node.contracts import da
from zg_node.execution.genesis import parse

ALICE, BOB = 0, 1
LIFE_EPOCHS = 4
RELEASE = LIFE_EPOCHS + 1
assert RULES["life_epochs"] == LIFE_EPOCHS


@pytest.fixture
def chain(tmp_path: Path) -> DataChain:
    return DataChain(tmp_path / "state")


def test_the_genesis_validators_are_the_first_holders(chain: DataChain) -> None:
    for voter, operator, stake in zip(VOTERS, OPERATORS, STAKES, strict=True):
        info = chain.holder(account(voter))
        assert info == da.HolderInfo(account(voter), account(operator), "", stake * COIN, True, 0, 0)
    assert chain.stakes(0) == chain.stakes(1) == {account(v): s for v, s in zip(VOTERS, STAKES, strict=True)}
    assert chain.balance(da.DATA_AVAILABILITY) == sum(STAKES) * COIN


def test_a_chain_file_may_name_holders_beside_the_validators(tmp_path: Path) -> None:
    own, another = account(300), account(301)
    lines = (
        f'\n[[da.holders]]\nsigner = "0x{own.hex()}"\nstake = 40\n'
        f'\n[[da.holders]]\nsigner = "0x{another.hex()}"\nstake = 50\nowner = "0x{account(ALICE).hex()}"\n'
    )
    chain = DataChain(tmp_path / "state", parse(data_file() + lines, "holders"))
    assert chain.holder(own) == da.HolderInfo(own, own, "", 40 * COIN, True, 0, 0)
    assert chain.holder(another) == da.HolderInfo(another, account(ALICE), "", 50 * COIN, True, 0, 0)
    voting = {account(v): s for v, s in zip(VOTERS, STAKES, strict=True)}
    assert chain.stakes(0) == chain.stakes(1) == voting | {own: 40, another: 50}
    assert chain.balance(da.DATA_AVAILABILITY) == (sum(STAKES) + 90) * COIN
    chain.end_epoch()
    assert chain.stakes(2) == chain.stakes(0)


def test_a_holder_registers_with_its_signers_consent(chain: DataChain) -> None:
    chain.act(ALICE, registration(chain, ALICE, 300, "12D3KooW"), value=50 * COIN)
    [(name, fields)] = chain.events()
    assert (name, fields["stake"], fields["peer"]) == ("Registered", 50 * COIN, "12D3KooW")
    assert chain.holder(account(300)) == da.HolderInfo(account(300), account(ALICE), "12D3KooW", 50 * COIN, True, 0, 0)
    assert chain.refused(BOB, registration(chain, ALICE, 301), value=50 * COIN) == "BadProof()"
    assert chain.refused(BOB, da.register(account(301), "", b""), value=50 * COIN) == "BadProof()"
    assert chain.refused(BOB, da.register(bytes(20), "", bytes(65)), value=50 * COIN) == "BadProof()"


def test_a_signer_registers_itself_without_a_proof(chain: DataChain) -> None:
    chain.act(ALICE, da.register(account(ALICE), "", b""), value=50 * COIN)
    assert chain.holder(account(ALICE)).owner == account(ALICE)


def test_a_signer_belongs_to_one_owner(chain: DataChain) -> None:
    register(chain, ALICE, 300)
    assert chain.refused(BOB, registration(chain, BOB, 300), value=50 * COIN) == "HolderExists()"
    assert chain.refused(BOB, registration(chain, BOB, VOTERS[0]), value=50 * COIN) == "HolderExists()"


def test_less_than_the_minimum_is_refused(chain: DataChain) -> None:
    little = 32 * COIN - 1
    assert (
        chain.refused(ALICE, registration(chain, ALICE, 300), value=little) == f"TooLittleStake({little}, {32 * COIN})"
    )
    chain.act(ALICE, registration(chain, ALICE, 300), value=32 * COIN)


@pytest.mark.parametrize("peer", ["x" * 129, "with space", "line\n", "é", "\x7f"])
def test_a_peer_that_could_spoil_a_reading_is_refused(chain: DataChain, peer: str) -> None:
    assert chain.refused(OPERATORS[0], da.set_peer(account(VOTERS[0]), peer)) == "BadPeer()"
    assert chain.refused(ALICE, registration(chain, ALICE, 300, peer), value=50 * COIN) == "BadPeer()"


def test_bytes_that_are_no_text_are_refused_as_a_peer(chain: DataChain) -> None:
    data = da.set_peer(account(VOTERS[0]), "ab").replace(b"ab", b"\xff\xfe")
    assert chain.refused(OPERATORS[0], data) == "BadPeer()"


def test_a_peer_changes_at_once_for_signer_and_owner(chain: DataChain) -> None:
    signer = account(VOTERS[0])
    chain.act(OPERATORS[0], da.set_peer(signer, "p" * 128))
    assert {s: peer for s, _, peer in chain.holders(0)}[signer] == "p" * 128
    register(chain, ALICE, BOB)
    chain.act(BOB, da.set_peer(account(BOB), "q"))
    assert chain.holder(account(BOB)).peer == "q"
    assert chain.refused(BOB, da.set_peer(signer, "r")) == "NotOwner()"
    assert chain.refused(ALICE, da.set_peer(account(999), "r")) == "UnknownHolder()"


def test_stake_can_be_added_by_anyone_until_the_exit(chain: DataChain) -> None:
    signer = account(VOTERS[3])
    chain.act(BOB, call("addStake", signer), value=COIN)
    assert chain.holder(signer).stake == 37 * COIN
    chain.act(OPERATORS[3], call("requestExit", signer))
    assert chain.refused(BOB, call("addStake", signer), value=COIN) == f"IsLeaving({RELEASE})"
    assert chain.refused(BOB, call("enlist", signer)) == f"IsLeaving({RELEASE})"


def test_who_leaves_is_paid_when_nothing_that_it_signed_is_kept(chain: DataChain) -> None:
    signer, owner = account(VOTERS[3]), OPERATORS[3]
    assert chain.refused(owner, call("withdraw", signer)) == "NotLeaving()"
    assert chain.refused(ALICE, call("requestExit", signer)) == "NotOwner()"
    chain.act(owner, call("requestExit", signer))
    assert chain.refused(owner, call("requestExit", signer)) == f"IsLeaving({RELEASE})"
    chain.end_epoch()
    # It still serves in epoch 1, and its last promise ends with epoch 1 + LIFE_EPOCHS - 1.
    assert signer in chain.stakes(1)
    last = chain.certified(chain.blob(epochs=LIFE_EPOCHS))
    assert last.expiry == RELEASE - 1
    for _ in range(RELEASE - 1):
        assert chain.refused(owner, call("withdraw", signer)) == f"IsLeaving({RELEASE})"
        chain.end_epoch()
    assert chain.epoch == RELEASE > last.expiry
    assert chain.refused(ALICE, call("withdraw", signer)) == "NotOwner()"
    before = chain.balance(account(owner))
    gas = chain.act(owner, call("withdraw", signer))
    assert chain.balance(account(owner)) == before + 36 * COIN - gas
    assert chain.refused(owner, call("withdraw", signer)) == "NothingToPay()"
    check(chain, SIGNERS, [last], [ALICE, *OPERATORS])


def test_a_signer_may_come_back_after_it_withdrew(chain: DataChain) -> None:
    signer, owner = account(VOTERS[3]), OPERATORS[3]
    chain.act(owner, call("requestExit", signer))
    assert chain.refused(ALICE, registration(chain, ALICE, VOTERS[3]), value=50 * COIN) == "HolderExists()"
    chain.end_epochs(RELEASE)
    chain.act(owner, call("withdraw", signer))
    register(chain, ALICE, VOTERS[3])
    assert chain.holder(signer) == da.HolderInfo(signer, account(ALICE), "", 50 * COIN, True, 0, 0)


def test_only_the_protocol_initialises_and_ends_epochs(chain: DataChain) -> None:
    assert chain.refused(ALICE, call("onEpoch", 0)) == "NotSystem()"
    assert chain.refused(ALICE, call("admit", bytes(20), bytes(20), 1)) == "NotSystem()"
    config = da.decode_config(chain.ask(call("config")))
    assert chain.refused(ALICE, call("initialise", da.config_values(config), bytes(32))) == "NotSystem()"


def test_the_contract_takes_no_plain_payments(chain: DataChain) -> None:
    assert not chain.send(ALICE, b"", value=COIN, to=da.DATA_AVAILABILITY).success
