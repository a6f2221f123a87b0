"""Epochs of data availability: sets fixed one ahead, beacons known after them, and who holds which row."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from tests.contracts.data_chain import (
    SIGNERS,
    SYSTEM,
    DataChain,
    call,
    crowd,
    data_file,
    randao,
    register,
    registration,
)
from tests.contracts.staking_chain import COIN, GWEI, OPERATORS, STAKES, VOTERS, account, second_opinion, secret, sign
from zg_node import _core
from zg_node.contracts import da
from zg_node.errors import InvalidBlock
from zg_node.execution.genesis import parse
from zg_node.types.hashing import keccak

ALICE, BOB = 0, 1
CLOSING_GAS_MAX = 200_000_000
"""What a closing call may use: core/crates/evm/src/system.rs."""
GENESIS = {account(voter): stake for voter, stake in zip(VOTERS, STAKES, strict=True)}


@pytest.fixture
def chain(tmp_path: Path) -> DataChain:
    return DataChain(tmp_path / "state")


def test_a_set_is_fixed_before_its_epochs_beacon(chain: DataChain) -> None:
    register(chain, ALICE, 300)
    newcomer = {**GENESIS, account(300): 50}
    assert chain.stakes(2) == {}
    chain.end_epoch()
    assert (chain.stakes(1), chain.stakes(2)) == (GENESIS, newcomer)
    assert da.decode_beacon(chain.ask(da.beacon_call(1))) == randao(chain.number)
    assert da.decode_beacon(chain.ask(da.beacon_call(2))) is None
    chain.end_epoch()
    assert chain.stakes(2) == chain.stakes(3) == newcomer
    assert da.decode_beacon(chain.ask(da.beacon_call(2))) == randao(chain.number)
    assert da.decode_beacon(chain.ask(da.beacon_call(1))) == randao(chain.number - 1)
    assert list(chain.stakes(2)) == sorted(newcomer)


def test_the_first_beacon_is_the_randomness_of_block_0(chain: DataChain) -> None:
    _, attributes = chain.genesis.block_zero(0, bytes(32))
    assert da.decode_beacon(chain.ask(da.beacon_call(0))) == attributes.prev_randao


def test_stake_that_moves_while_the_next_set_forms_buys_no_vote(chain: DataChain) -> None:
    """What comes after the closing is in the set after; what leaves cannot be deposited elsewhere before it is free."""
    chain.end_epoch()
    chain.act(BOB, call("addStake", account(VOTERS[3])), value=1_000 * COIN)
    register(chain, ALICE, 300, 10_000)
    assert chain.stakes(2) == GENESIS
    chain.act(OPERATORS[0], call("requestExit", account(VOTERS[0])))
    assert chain.stakes(2) == GENESIS
    assert chain.refused(OPERATORS[0], call("withdraw", account(VOTERS[0]))).startswith("IsLeaving")
    chain.end_epoch()
    assert chain.stakes(3) == {
        account(VOTERS[1]): 100,
        account(VOTERS[2]): 64,
        account(VOTERS[3]): 1_036,
        account(300): 10_000,
    }
    locked = sum(chain.holder(signer).stake for signer in {*SIGNERS, account(300)})
    assert chain.balance(da.DATA_AVAILABILITY) == locked >= sum(chain.stakes(3).values()) * COIN


def test_fractions_of_a_coin_do_not_count(chain: DataChain) -> None:
    chain.act(ALICE, call("addStake", account(VOTERS[0])), value=2 * COIN - 1)
    chain.end_epoch()
    assert chain.stakes(2)[account(VOTERS[0])] == STAKES[0] + 1


def test_an_epoch_without_holders_takes_no_blobs(chain: DataChain) -> None:
    for voter, operator in zip(VOTERS, OPERATORS, strict=True):
        chain.act(operator, call("requestExit", account(voter)))
    chain.end_epochs(2)
    assert chain.stakes(2) == {}
    blob = chain.blob()
    assert chain.refused(ALICE, da.request(blob), value=chain.fee(blob)) == "NoHolders()"
    register(chain, ALICE, 300)
    chain.end_epochs(2)
    chain.request(chain.blob())


def test_a_closing_call_of_another_epoch_makes_an_invalid_block(chain: DataChain) -> None:
    with pytest.raises(InvalidBlock, match=r"closing call 0 to 0x[dD][aA]"):
        chain.block(calls=da.closing_calls(1, True))
    assert da.closing_calls(7, False) == ()


# ── many ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def enrol(chain: DataChain, numbers: list[int], coins: list[int]) -> None:
    """Register many signers of Alice's, a hundred a block."""
    digest = da.registration_digest(chain.network, chain.genesis.chain_id(0), account(ALICE))
    for start in range(0, len(numbers), 100):
        found = chain.state.account(chain.head, account(ALICE))
        assert found is not None
        nonce, raws = found[0], []
        for place, number in enumerate(numbers[start : start + 100]):
            data = da.register(account(number), "p" * 64, sign(number, digest))
            raws.append(signed(chain, nonce + place, data, coins[start + place] * COIN))
        chain.block(raws)
        assert all(status == b"\1" for status, _, _ in chain.receipts)


def signed(chain: DataChain, nonce: int, data: bytes, value: int) -> bytes:
    """A transaction of Alice's."""
    fields = {
        "type": "0x2", "chainId": hex(chain.genesis.chain_id(0)), "nonce": hex(nonce), "gas": hex(400_000),
        "maxFeePerGas": hex(GWEI), "maxPriorityFeePerGas": "0x0", "value": hex(value), "input": "0x" + data.hex(),
        "to": "0x" + da.DATA_AVAILABILITY.hex(),
    }  # fmt: skip
    return _core.sign_transaction_json(orjson.dumps(fields), secret(ALICE))


def closing_fits(chain: DataChain, gas: int) -> bool:
    """Whether the call that would end the epoch now needs no more than `gas`."""
    data = call("onEpoch", chain.epoch)
    fields = {"from": "0x" + SYSTEM.hex(), "to": "0x" + da.DATA_AVAILABILITY.hex(), "input": "0x" + data.hex()}
    request = _core.CallRequest(orjson.dumps(fields), None, gas, 60_000)
    [answer] = chain.calls.call(chain.state, chain.head, chain.header, [request])
    return answer == b""


def test_1024_registered_fit_the_closing_call_and_the_256_strongest_serve(tmp_path: Path) -> None:
    chain = DataChain(tmp_path, parse(data_file(), "many"))
    coins = [40 + (n * 7919) % 1020 for n in range(1020)]
    enrol(chain, list(range(2000, 3020)), coins)
    assert chain.read("listedCount") == da.LISTED_MAX
    assert closing_fits(chain, CLOSING_GAS_MAX // 8)
    chain.end_epoch()
    members = chain.stakes(2)
    everyone = {**GENESIS, **{account(2000 + n): stake for n, stake in enumerate(coins)}}
    strongest = sorted(everyone.items(), key=lambda each: (each[1], each[0]))[-da.HOLDERS_MAX :]
    assert members == dict(strongest)
    assert list(members) == sorted(members)
    # The list is full: who is not stronger than the weakest stays out, and who is takes its place.
    weakest = min(everyone.items(), key=lambda each: each[1])
    assert weakest == (account(VOTERS[3]), 36)
    assert chain.refused(BOB, registration(chain, BOB, 400), value=36 * COIN) == "HoldersFull()"
    register(chain, BOB, 400, 37)
    assert not chain.holder(weakest[0]).listed
    assert chain.refused(BOB, call("enlist", weakest[0])) == "HoldersFull()"
    chain.act(OPERATORS[3], call("addStake", weakest[0]), value=2 * COIN)
    assert chain.holder(weakest[0]).listed
    assert not chain.holder(account(400)).listed
    chain.act(BOB, call("requestExit", account(400)))
    chain.end_epoch()


def test_a_set_that_stays_is_not_written_again(tmp_path: Path) -> None:
    chain = crowd(tmp_path, [40] * 256)
    unwritten = 4_000_000
    assert closing_fits(chain, unwritten)
    chain.act(ALICE, call("addStake", next(iter(chain.stakes(0)))), value=COIN)
    assert not closing_fits(chain, unwritten + 256 * 15_000)
    chain.end_epoch()
    assert sum(chain.stakes(2).values()) == 256 * 40 + 1
    assert sum(chain.stakes(1).values()) == 256 * 40


# ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(4))
def test_the_contract_and_the_node_agree_on_every_rows_first_holder(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    stakes = [
        chance.choice((32, 33, chance.randint(32, 100), chance.randint(32, 10**9)))
        for _ in range(chance.choice((1, 7, 100, 256)))
    ]
    chain = crowd(tmp_path, stakes)
    chain.end_epoch()
    for rows in (64, 1024, 4096, 16_384):
        blob = replace(
            chain.blob(), commitment=keccak(bytes([seed]) + rows.to_bytes(4, "big")), quorum=chance.randrange(2**32)
        )
        expected = chain.assignment(blob, rows)
        starts = [expected.span(holder)[0] - expected.offset for holder in range(len(stakes))]
        edges = sorted({(start + step) % rows for start in starts for step in (-1, 0)})
        sample = [*chance.sample(edges, min(24, len(edges))), 0, rows - 1]
        for row in sample:
            found = chain.read("firstHolder", blob.epoch, blob.quorum, blob.commitment, rows, row)
            assert found == expected.first_owner(row)


def test_rows_that_are_not_have_no_holder(chain: DataChain) -> None:
    for rows, row in ((64, 64), (0, 0), (2**32, 0)):
        data = call("firstHolder", 0, 0, bytes(32), rows, row)
        assert chain.refused(ALICE, data) == "NoSuchCell()"
    assert chain.refused(ALICE, call("firstHolder", 9, 0, bytes(32), 64, 0)) == "NoHolders()"


# ── the second engine ───────────────────────────────────────────────────────────────────────────────────────────────


def test_py_evm_ends_epochs_alike(tmp_path: Path, chain: DataChain) -> None:
    genesis = chain.genesis
    native = DataChain(tmp_path / "native", genesis, _core.Engine(genesis.chain_id(0), fork="prague"))
    other = DataChain(tmp_path / "other", genesis, second_opinion(genesis))
    for each in (native, other):
        register(each, ALICE, 300)
        each.certified()
        each.end_epochs(2)
    assert native.header == other.header
