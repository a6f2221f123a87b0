"""A delegator that is a contract, and calls back when it is paid."""

from __future__ import annotations

import pytest
import rlp

from tests.contracts.books import owed
from tests.contracts.hostile import reentrant
from tests.contracts.staking_chain import COIN, UNBONDING_EPOCHS, StakingChain, account, genesis_validator
from zg_node.contracts import staking
from zg_node.contracts.abi import parse_function
from zg_node.types.hashing import keccak

ALICE = 0
FIRST = genesis_validator(0)
STAKE = 50 * COIN


class Attacker:
    """The contract on the chain; it says what `tell` hands it, and `call_data` whenever it is paid."""

    def __init__(self, chain: StakingChain, call_data: bytes) -> None:
        self.chain = chain
        found = chain.state.account(chain.head, account(ALICE))
        assert found is not None
        self.address = keccak(rlp.encode([account(ALICE), found[0]]))[12:]
        assert chain.send(ALICE, reentrant(staking.STAKING, call_data), to=None).success

    def tell(self, name: str, *values: object, value: int = 0) -> bool:
        data = value.to_bytes(32, "big") + staking.function(name).encode(*values)
        assert self.chain.send(ALICE, data, to=self.address, value=value).success
        return self.slot(1) == 1

    def slot(self, number: int) -> int:
        return self.chain.state.storage(self.chain.head, self.address, number)


REENTRY_FAILED = 1


@pytest.mark.parametrize("name", ["withdraw", "claimRewards", "undelegate", "delegate"])
def test_who_is_paid_cannot_call_back_into_the_stake(chain: StakingChain, name: str) -> None:
    probe = Attacker(chain, b"")
    [nonce] = [found[0] for found in [chain.state.account(chain.head, account(ALICE))] if found]
    address = keccak(rlp.encode([account(ALICE), nonce]))[12:]
    assert probe.address != address
    arguments = {"withdraw": (address,), "claimRewards": (FIRST,), "undelegate": (FIRST, COIN), "delegate": (FIRST,)}
    attacker = Attacker(chain, staking.function(name).encode(*arguments[name]))
    assert attacker.address == address
    assert attacker.tell("delegate", FIRST, value=STAKE)
    chain.end_epochs(2)
    assert attacker.tell("undelegate", FIRST, 10 * COIN)
    chain.end_epochs(UNBONDING_EPOCHS)
    rewards = chain.read("rewardsOf", FIRST, address)
    assert attacker.tell("withdraw", address)
    assert attacker.slot(0) == REENTRY_FAILED
    assert chain.balance(address) == 10 * COIN
    assert attacker.tell("claimRewards", FIRST)
    assert chain.balance(address) == 10 * COIN + rewards
    assert attacker.slot(0) == REENTRY_FAILED
    assert chain.read("delegationOf", FIRST, address) == (STAKE - 10 * COIN, STAKE - 10 * COIN)
    remaining = chain.read("delegationOf", FIRST, address)[1] + chain.read("rewardsOf", FIRST, address)
    others = chain.balance(staking.STAKING) - owed(chain, []) - (remaining - (STAKE - 10 * COIN))
    assert 0 <= others < 1_000


def test_who_refuses_its_coins_harms_itself_alone(chain: StakingChain) -> None:
    """The staking contract itself takes no plain payments: a queue that pays to it stays where it is."""
    chain.do(ALICE, "delegate", FIRST, value=STAKE)
    undelegate = parse_function("undelegate(address,uint256)")
    assert chain.send(ALICE, undelegate.encode(staking.STAKING, COIN), to=FIRST).success
    chain.do(1, "delegate", FIRST, value=STAKE)
    chain.do(1, "undelegate", FIRST, COIN)
    chain.end_epochs(UNBONDING_EPOCHS)
    assert chain.refusal(ALICE, "withdraw", account(ALICE)) == "PaymentFailed()"
    chain.do(ALICE, "withdraw", account(1))
