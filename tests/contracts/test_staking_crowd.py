"""An epoch's closing call when the list of candidates is full: the strongest are chosen, well within its gas."""

from __future__ import annotations

import json

import pytest

from tests.bls import pubkey48
from tests.contracts.staking_chain import StakingChain, account, chain_file
from zg_node import _core
from zg_node.contracts import da, staking
from zg_node.execution.genesis import parse

CANDIDATES = 1024
SYSTEM = b"\xff" * 19 + b"\xfe"
CLOSING_GAS_MAX = 200_000_000
"""What the core gives one closing call."""


def stake_of(number: int) -> int:
    """Coins: no two alike, and in no order."""
    return 40 + number * 389 % CANDIDATES


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> StakingChain:
    """Two epochs after block 0, which had all candidates vote, as no real one may."""
    validators = [
        f'[[validators]]\naddress = "0x{account(1000 + n).hex()}"\nstake = {stake_of(n)}\n'
        f'pubkey48 = "{pubkey48(1000 + n)}"'
        for n in range(CANDIDATES)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staking, "VALIDATORS_MAX", CANDIDATES)
        patch.setattr(da, "HOLDERS_MAX", CANDIDATES)
        genesis = parse(chain_file().split("[[validators]]", 1)[0] + "\n\n".join(validators), "crowd")
        chain = StakingChain(tmp_path_factory.mktemp("crowd"), genesis)
    chain.end_epochs(2)
    return chain


def test_the_strongest_256_of_1024_are_chosen(crowded: StakingChain) -> None:
    strongest = sorted(range(CANDIDATES), key=stake_of)[-256:]
    assert crowded.members(staking.validators_call()) == {account(1000 + n): stake_of(n) for n in strongest}


def test_an_epoch_change_takes_less_than_a_quarter_of_its_gas(crowded: StakingChain) -> None:
    members = list(crowded.members(staking.validators_call()))
    missed = [members[n % len(members)] for n in range(staking.MISSED_MAX)]
    ((contract, data),) = staking.closing_calls(crowded.epoch, True, missed)
    request = {"from": SYSTEM, "to": contract, "input": data}
    fields = {name: "0x" + value.hex() for name, value in request.items()} | {"gas": hex(CLOSING_GAS_MAX // 4)}
    call = _core.CallRequest(json.dumps(fields).encode(), None, CLOSING_GAS_MAX, 60_000)
    (answer,) = crowded.calls.call(crowded.state, crowded.head, crowded.header, [call])
    assert isinstance(answer, bytes), answer.message
    crowded.block(calls=[(contract, data)])
