"""What the staking contract owes, added up by a reader that trusts only its views."""

from __future__ import annotations

from collections.abc import Iterable

from tests.contracts.staking_chain import OPERATORS, StakingChain, account
from zg_node.contracts import staking


def owed(chain: StakingChain, delegators: Iterable[int]) -> int:
    """Wei: bonded, unbonding, commission, rewards and reserve; `delegators` are who stakes beside the operators."""
    people = {account(number) for number in (*OPERATORS, *delegators)}
    addresses = [staking.address_bytes(address) for address in chain.read("validatorsFrom", 0, 1000)]
    total = int(chain.read("reserve"))
    for validator in addresses:
        info = chain.info(validator)
        total += info.tokens + info.commission_owed
        total += sum(chain.read("rewardsOf", validator, person) for person in people)
    for person in people:
        total += sum(entry[4] for entry in chain.read("unbondingOf", person))
    return total
