"""Epochs: who is in which set, what absence costs, and that an epoch change always fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bls import pubkey48
from tests.contracts.staking_chain import (
    COIN,
    EPOCH_BLOCKS,
    JAIL_EPOCHS,
    OPERATORS,
    STAKES,
    VOTERS,
    StakingChain,
    account,
    chain_file,
    genesis_validator,
    second_opinion,
)
from tests.contracts.validators import create, register
from zg_node import _core
from zg_node.contracts import staking
from zg_node.errors import InvalidBlock
from zg_node.execution.genesis import parse

ALICE, BOB = 0, 1
GENESIS_SET = {account(voter): stake for voter, stake in zip(VOTERS, STAKES, strict=True)}


def next_set(chain: StakingChain) -> dict[bytes, int]:
    return chain.members(staking.next_set_call())


def current_set(chain: StakingChain) -> dict[bytes, int]:
    return chain.members(staking.validators_call())


def miss(chain: StakingChain, voter: int, views: int) -> None:
    """Report skipped views of a voter in a block that is not the epoch's last."""
    chain.block(calls=staking.closing_calls(chain.epoch, False, [account(voter)] * views))


def test_epochs_0_and_1_have_the_genesis_set_in_the_order_of_voters(chain: StakingChain) -> None:
    assert chain.epoch == 0
    for call in (staking.validators_call(), staking.next_set_call()):
        members = staking.decode_set(chain.call(call))
        assert dict(members) == GENESIS_SET
        assert [voter for voter, _ in members] == sorted(GENESIS_SET)


def test_a_set_is_fixed_two_epochs_ahead(chain: StakingChain) -> None:
    validator = create(chain, ALICE, stake=500)
    register(chain, ALICE, 300)
    with_newcomer = {**GENESIS_SET, account(300): 500}
    chain.end_epoch()
    assert (chain.epoch, current_set(chain), next_set(chain)) == (1, GENESIS_SET, with_newcomer)
    chain.do(ALICE, "undelegate", validator, 500 * COIN)
    chain.end_epoch()
    assert (chain.epoch, current_set(chain), next_set(chain)) == (2, with_newcomer, GENESIS_SET)


def test_without_a_vote_key_there_is_no_place(chain: StakingChain) -> None:
    validator = create(chain, ALICE, stake=500)
    assert chain.refusal(BOB, "enlist", validator) == "NoVoteKey()"
    chain.end_epoch()
    assert next_set(chain) == GENESIS_SET


def test_the_operators_own_stake_decides_about_a_place(chain: StakingChain) -> None:
    first = genesis_validator(0)
    chain.do(ALICE, "delegate", first, value=1000 * COIN)
    chain.do(OPERATORS[0], "undelegate", first, (STAKES[0] - 31) * COIN)
    assert not chain.info(first).candidate
    chain.end_epoch()
    assert account(VOTERS[0]) not in next_set(chain)
    assert chain.refusal(ALICE, "enlist", first) == f"TooLittleStake({31 * COIN}, {32 * COIN})"
    chain.do(OPERATORS[0], "delegate", first, value=COIN)
    assert chain.info(first).candidate
    chain.end_epoch()
    assert next_set(chain)[account(VOTERS[0])] == 1032


def test_fractions_of_a_coin_have_no_vote(chain: StakingChain) -> None:
    chain.do(ALICE, "delegate", genesis_validator(0), value=2 * COIN - 1)
    chain.end_epoch()
    assert next_set(chain)[account(VOTERS[0])] == STAKES[0] + 1


def test_a_set_is_never_empty(chain: StakingChain) -> None:
    for index, operator in enumerate(OPERATORS):
        chain.do(operator, "undelegate", genesis_validator(index), STAKES[index] * COIN)
    for _ in range(4):
        chain.end_epoch()
        assert next_set(chain) == GENESIS_SET


# ── downtime ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_misses_most_of_its_turns_goes_to_jail_and_comes_back(chain: StakingChain) -> None:
    third = genesis_validator(2)
    miss(chain, VOTERS[2], 5)
    assert chain.info(third).missed == 5
    chain.end_epoch()
    info = chain.info(third)
    assert (info.jailed_until, info.missed) == (JAIL_EPOCHS, 0)
    assert account(VOTERS[2]) not in next_set(chain)
    assert chain.read("rewardsOf", third, account(OPERATORS[2])) == 0
    assert chain.refusal(OPERATORS[2], "unjail", third) == f"StillJailed({JAIL_EPOCHS})"
    assert chain.refusal(ALICE, "unjail", third) == "NotOperator()"
    chain.end_epochs(JAIL_EPOCHS - 1)
    chain.do(OPERATORS[2], "unjail", third)
    assert chain.refusal(OPERATORS[2], "unjail", third) == "NotJailed()"
    chain.end_epoch()
    assert next_set(chain) == GENESIS_SET


@pytest.mark.parametrize(("voter", "views"), [(2, 1), (2, 3), (1, 4)])
def test_few_missed_views_are_forgiven_and_forgotten(chain: StakingChain, voter: int, views: int) -> None:
    """Three are few for anyone; more are few for somebody with many turns."""
    miss(chain, VOTERS[voter], views if voter == 2 else EPOCH_BLOCKS * STAKES[1] // sum(STAKES) // 2)
    chain.end_epoch()
    assert chain.info(genesis_validator(voter)).jailed_until == 0
    assert next_set(chain) == GENESIS_SET


def test_an_epoch_sends_at_most_a_third_of_the_stake_to_jail(chain: StakingChain) -> None:
    """400 of 600 coins were cut off: that is the network's trouble, not theirs. 100 + 64 go."""
    for voter, views in ((VOTERS[0], 200), (VOTERS[0], 200), (VOTERS[1], 60), (VOTERS[2], 40)):
        miss(chain, voter, views)
    chain.end_epoch()
    assert set(next_set(chain)) == {account(VOTERS[0]), account(VOTERS[3])}


def test_unknown_and_repeated_absentees_do_no_harm(chain: StakingChain) -> None:
    strangers = [bytes([number % 256]) * 20 for number in range(1000)]
    calls = staking.closing_calls(chain.epoch, False, strangers)
    assert len(calls[0][1]) == 4 + 32 * (4 + staking.MISSED_MAX)
    chain.block(calls=calls)
    chain.end_epoch()
    assert next_set(chain) == GENESIS_SET


# ── many ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def crowd(count: int) -> str:
    """A network of `count` validators of 40 coins and more, voters in an order of their own."""
    text, _ = chain_file().split("[[validators]]", 1)
    validators = [
        f'[[validators]]\naddress = "0x{account(1000 + n).hex()}"\nstake = {40 + n % 7}\ncommission_ppm = 50_000\n'
        f'pubkey48 = "{pubkey48(1000 + n)}"'
        for n in range(count)
    ]
    return text + "\n\n".join(validators)


def test_256_validators_fit_an_epoch_change_and_the_weakest_gives_way(tmp_path: Path) -> None:
    chain = StakingChain(tmp_path, parse(crowd(256), "crowd"))
    before = current_set(chain)
    create(chain, ALICE, stake=1000)
    register(chain, ALICE, 300)
    create(chain, BOB, stake=39, key=2)
    register(chain, BOB, 301, key=2)
    calls = staking.closing_calls(0, True, [voter for voter, _ in list(before.items())[:256]])
    chain.call(calls[0][1], caller=b"\xff" * 19 + b"\xfe")
    chain.block(calls=calls)
    after = next_set(chain)
    assert len(after) == 256
    assert after[account(300)] == 1000
    assert account(301) not in after
    assert len(before.keys() - after.keys()) == 1
    assert min(before.values()) == before[next(iter(before.keys() - after.keys()))]
    assert list(after) == sorted(after)


# ── the system's call ───────────────────────────────────────────────────────────────────────────────────────────────


def test_only_the_protocol_ends_blocks_and_initialises(chain: StakingChain) -> None:
    assert chain.refusal(ALICE, "onBlock", 0, True, []) == "NotSystem()"
    rules = (bytes(32), 1, 3, 1, 1, 1, 1)
    assert chain.refusal(ALICE, "initialise", rules, 0) == "NotSystem()"
    assert chain.refusal(ALICE, "admit", bytes(20), bytes(20), 1, 0, bytes(48)) == "NotSystem()"
    late = staking.function("admit").encode(bytes(20), bytes(20), 1, 0, bytes(48))
    with pytest.raises(InvalidBlock, match="closing call 0"):
        chain.block(calls=[(staking.STAKING, late)])


def test_a_block_of_another_epoch_is_invalid(chain: StakingChain) -> None:
    with pytest.raises(InvalidBlock, match="closing call 0 to 0xea224dBB"):
        chain.block(calls=staking.closing_calls(1, True, []))
    chain.end_epoch()
    assert chain.epoch == 1


def test_most_blocks_end_without_a_call() -> None:
    assert staking.closing_calls(7, False, []) == ()


def test_py_evm_ends_epochs_alike(tmp_path: Path, chain: StakingChain) -> None:
    genesis = chain.genesis
    native = StakingChain(tmp_path / "native", genesis, _core.Engine(genesis.chain_id(0), fork="prague"))
    other = StakingChain(tmp_path / "other", genesis, second_opinion(genesis))
    for each in (native, other):
        create(each, ALICE, stake=500)
        register(each, ALICE, 300)
        miss(each, VOTERS[2], 5)
        each.end_epochs(2)
    assert native.header == other.header
    with pytest.raises(InvalidBlock, match="closing call 0"):
        other.block(calls=staking.closing_calls(9, True, []))
