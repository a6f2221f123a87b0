"""Stake: coins in, rewards, coins out, and what attackers try with each."""

from __future__ import annotations

import pytest

from tests.contracts.books import owed
from tests.contracts.staking_chain import (
    COIN,
    OPERATORS,
    RESERVE,
    REWARD,
    STAKES,
    UNBONDING_EPOCHS,
    StakingChain,
    account,
    genesis_validator,
)
from tests.contracts.validators import create
from zg_node.contracts import staking
from zg_node.contracts.abi import parse_function

FIRST = genesis_validator(0)
ALICE, BOB = 0, 1
TOTAL = sum(STAKES)
DUST = 200
"""Wei that rounding may leave in the contract in a test, never the other way."""


def test_a_delegation_is_shares_and_voting_power_in_two_epochs(chain: StakingChain) -> None:
    receipt = chain.do(ALICE, "delegate", FIRST, value=10 * COIN)
    assert receipt.events[0][0] == "Delegated"
    assert chain.read("delegationOf", FIRST, account(ALICE)) == (10 * COIN, 10 * COIN)
    assert chain.info(FIRST).tokens == (STAKES[0] + 10) * COIN
    voter = chain.info(FIRST).voter
    chain.end_epoch()
    assert chain.members(staking.validators_call())[voter] == STAKES[0]
    assert chain.members(staking.next_set_call())[voter] == STAKES[0] + 10


def test_coins_come_back_after_the_unbonding_period_and_not_before(chain: StakingChain) -> None:
    chain.do(ALICE, "delegate", FIRST, value=10 * COIN)
    chain.do(ALICE, "undelegate", FIRST, 4 * COIN)
    chain.end_epochs(UNBONDING_EPOCHS - 1)
    assert chain.refusal(BOB, "withdraw", account(ALICE)) == "NothingToPay()"
    chain.end_epoch()
    before = chain.balance(account(ALICE))
    receipt = chain.do(BOB, "withdraw", account(ALICE))  # anyone may ask
    assert receipt.events[0][1]["amount"] == 4 * COIN
    assert chain.balance(account(ALICE)) == before + 4 * COIN
    assert chain.refusal(BOB, "withdraw", account(ALICE)) == "NothingToPay()"
    assert 0 <= chain.balance(staking.STAKING) - owed(chain, [ALICE]) < DUST


@pytest.mark.parametrize("shares", [0, 10 * COIN + 1, 2**128, 2**256 - 1])
def test_nobody_takes_out_what_it_has_not(chain: StakingChain, shares: int) -> None:
    chain.do(ALICE, "delegate", FIRST, value=10 * COIN)
    assert chain.refusal(ALICE, "undelegate", FIRST, shares) == f"NotEnoughShares({10 * COIN})"
    assert chain.refusal(BOB, "undelegate", FIRST, 1) == "NotEnoughShares(0)"


def test_dust_is_no_delegation(chain: StakingChain) -> None:
    assert chain.refusal(ALICE, "delegate", FIRST, value=10**15 - 1).startswith("TooLittleStake")
    assert chain.refusal(ALICE, "delegate", account(ALICE), value=COIN) == "UnknownValidator()"


# ── rewards ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rewards_go_by_stake_commission_first(chain: StakingChain) -> None:
    chain.end_epoch()
    for index, stake in enumerate(STAKES):
        reward = REWARD * stake // TOTAL
        commission = reward // 10
        assert chain.info(genesis_validator(index)).commission_owed == commission
        claimable = chain.read("rewardsOf", genesis_validator(index), account(OPERATORS[index]))
        assert 0 <= reward - commission - claimable <= 1, "rounding keeps less than a wei a delegator"
    assert 0 <= chain.read("reserve") - (RESERVE - REWARD) < len(STAKES)


def test_coins_that_come_for_the_end_of_an_epoch_earn_nothing_of_it(chain: StakingChain) -> None:
    chain.do(ALICE, "delegate", FIRST, value=10_000 * COIN)
    chain.end_epoch()
    assert chain.read("rewardsOf", FIRST, account(ALICE)) == 0
    loyal = chain.read("rewardsOf", FIRST, account(OPERATORS[0]))
    assert loyal > 0
    chain.do(ALICE, "undelegate", FIRST, 10_000 * COIN)
    chain.end_epoch()
    assert chain.read("rewardsOf", FIRST, account(ALICE)) == 0
    assert chain.read("rewardsOf", FIRST, account(OPERATORS[0])) > loyal


def test_rewards_are_shared_by_shares_from_the_next_epoch_on(chain: StakingChain) -> None:
    chain.do(ALICE, "delegate", FIRST, value=STAKES[0] * COIN)
    chain.end_epoch()
    operators = chain.read("rewardsOf", FIRST, account(OPERATORS[0]))
    chain.end_epoch()
    gained = chain.read("rewardsOf", FIRST, account(ALICE))
    assert gained > COIN
    assert 0 <= chain.read("rewardsOf", FIRST, account(OPERATORS[0])) - operators - gained < DUST
    before = chain.balance(account(ALICE))
    receipt = chain.do(ALICE, "claimRewards", FIRST)
    assert chain.balance(account(ALICE)) == before + gained - receipt.gas_used
    assert chain.refusal(ALICE, "claimRewards", FIRST) == "NothingToPay()"


def test_adding_to_a_delegation_neither_loses_nor_doubles_its_rewards(chain: StakingChain) -> None:
    for delegator in (ALICE, BOB):
        chain.do(delegator, "delegate", FIRST, value=100 * COIN)
    chain.end_epochs(2)
    for _ in range(3):
        chain.do(ALICE, "delegate", FIRST, value=COIN)
    bobs = chain.read("rewardsOf", FIRST, account(BOB))
    assert 0 <= bobs - chain.read("rewardsOf", FIRST, account(ALICE)) < DUST
    chain.do(ALICE, "undelegate", FIRST, 3 * COIN)
    chain.end_epoch()
    bobs = chain.read("rewardsOf", FIRST, account(BOB))
    assert 0 <= bobs - chain.read("rewardsOf", FIRST, account(ALICE)) < DUST


def test_an_empty_reserve_ends_rewards_and_nothing_else(chain: StakingChain) -> None:
    chain.end_epochs(RESERVE // REWARD + 2)
    assert chain.read("reserve") < REWARD
    chain.do(ALICE, "fundReserve", value=5 * COIN)
    before = chain.read("rewardsOf", FIRST, account(OPERATORS[0]))
    chain.end_epoch()
    assert chain.read("rewardsOf", FIRST, account(OPERATORS[0])) > before
    assert 0 <= chain.balance(staking.STAKING) - owed(chain, []) < DUST


def test_every_wei_is_accounted_for_in_a_busy_life(chain: StakingChain) -> None:
    delegators = [ALICE, BOB, 2, 3]
    for turn in range(12):
        who = delegators[turn % 4]
        target = genesis_validator(turn * 7 % 4)
        chain.do(who, "delegate", target, value=COIN * (turn + 1) + turn)
        if turn % 3 == 2:
            chain.do(who, "undelegate", target, COIN * turn // 2 + 1)
        chain.end_epoch()
        assert 0 <= chain.balance(staking.STAKING) - owed(chain, delegators) < DUST


# ── griefing ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_queue_of_unbonding_coins_is_bounded_and_is_its_owners(chain: StakingChain) -> None:
    chain.do(ALICE, "delegate", FIRST, value=200 * COIN)
    entry = parse_function("undelegate(address,uint256)")
    for number in range(64):
        to = bytes([number + 1]) * 20
        chain.call(entry.encode(to, COIN), to=FIRST, caller=account(ALICE))
        assert chain.send(ALICE, entry.encode(to, COIN), to=FIRST).success
    assert chain.refusal(ALICE, "undelegate", FIRST, COIN) == "TooManyUnbondings()"
    chain.do(BOB, "delegate", FIRST, value=COIN)
    to_alice = entry.encode(account(ALICE), COIN)
    assert chain.send(BOB, to_alice, to=FIRST).success, "coins sent to somebody wait in the sender's queue"
    assert len(chain.read("unbondingOf", account(ALICE))) == 64
    chain.end_epochs(UNBONDING_EPOCHS)
    assert chain.do(ALICE, "withdraw", account(ALICE)).gas_used < 4_000_000
    chain.do(ALICE, "undelegate", FIRST, COIN)


def test_equal_exits_of_an_epoch_are_one_entry(chain: StakingChain) -> None:
    chain.do(ALICE, "delegate", FIRST, value=10 * COIN)
    for _ in range(3):
        chain.do(ALICE, "undelegate", FIRST, COIN)
    [entry] = chain.read("unbondingOf", account(ALICE))
    assert entry[4] == 3 * COIN


def test_delegating_costs_the_same_however_many_have_before(chain: StakingChain) -> None:
    """And so does an epoch's end: nothing loops over delegators."""
    costs = []
    for number in range(300, 330):
        data = staking.function("delegate").encode(FIRST)
        chain.send(ALICE, b"", to=account(number), value=2 * COIN)
        costs.append(chain.send(number, data, value=COIN).gas_used)
    assert len(set(costs[1:])) == 1


def test_the_withdrawal_fee_is_bounded_and_the_operators(chain: StakingChain) -> None:
    validator = create(chain, ALICE, fee=10**9)
    chain.do(BOB, "delegate", validator, value=5 * COIN)
    assert chain.refusal(BOB, "undelegate", validator, COIN) == f"WrongFee({COIN})"
    chain.do(BOB, "undelegate", validator, COIN, value=COIN)
    before = chain.balance(account(3))
    chain.do(ALICE, "withdrawCommission", validator, account(3))
    assert chain.balance(account(3)) == before + COIN
    assert chain.refusal(BOB, "withdrawCommission", validator, account(BOB)) == "NotOperator()"


# ── 0G's interface ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_validator_contract_speaks_0gs_interface(chain: StakingChain) -> None:
    def ask(signature: str, *values: object) -> object:
        function = parse_function(signature)
        [value, *more] = function.decode(chain.call(function.encode(*values), to=FIRST))
        return (value, *more) if more else value

    delegate = parse_function("delegate(address)(uint256)")
    assert chain.send(ALICE, delegate.encode(account(BOB)), to=FIRST, value=7 * COIN).success
    assert ask("getDelegation(address)(address,uint256)", account(BOB)) == ("0x" + FIRST.hex(), 7 * COIN)
    assert ask("tokens()(uint256)") == ask("delegatorShares()(uint256)") == (STAKES[0] + 7) * COIN
    assert ask("commissionRate()(uint32)") == 100_000
    assert ask("withdrawalFeeInGwei()(uint96)") == 0
    assert ask("operatorAddress()(address)") == "0x" + account(OPERATORS[0]).hex()
    assert ask("consensusPubkey()(bytes)") == chain.info(FIRST).pubkey
    assert ask("convertToTokens(uint256)(uint256)", 5) == 5
    undelegate = parse_function("undelegate(address,uint256)(uint256)")
    assert not chain.send(ALICE, undelegate.encode(account(ALICE), COIN), to=FIRST).success, "they are BOB's"
    assert chain.send(BOB, undelegate.encode(account(3), 7 * COIN), to=FIRST).success
    chain.end_epochs(UNBONDING_EPOCHS)
    before = chain.balance(account(3))
    chain.do(ALICE, "withdraw", account(BOB))
    assert chain.balance(account(3)) == before + 7 * COIN
    withdraw = parse_function("withdrawCommission(address)(uint256)")
    assert not chain.send(BOB, withdraw.encode(account(BOB)), to=FIRST).success
    assert chain.send(OPERATORS[0], withdraw.encode(account(3)), to=FIRST).success


def test_only_a_validator_contract_acts_for_others(chain: StakingChain) -> None:
    chain.do(BOB, "delegate", FIRST, value=COIN)
    assert chain.refusal(ALICE, "undelegateFor", account(BOB), account(ALICE), COIN) == "UnknownValidator()"
    assert chain.refusal(ALICE, "withdrawCommissionFor", account(OPERATORS[0]), account(ALICE)) == "UnknownValidator()"
    assert chain.refusal(ALICE, "delegateFor", account(BOB), value=COIN) == "UnknownValidator()"
