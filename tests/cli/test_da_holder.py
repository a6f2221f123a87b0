"""The commands of holders of data, against a development network in a process of its own; and what they work out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.scripted import RpcError, ScriptedNode
from tests.devnet import Devnet
from zg_node.cli.da_contract import SENTENCES, claimable, first_epoch, status
from zg_node.contracts.abi import Function, interface
from zg_node.contracts.da import BlobInfo, HolderInfo
from zg_node.execution.genesis import packaged, parse
from zg_node.identity import node_seed, peer_id
from zg_node.keys import address_of, checksum

Run = Callable[..., Result]

GENESIS = parse(packaged("devnet"), "devnet")
VALIDATOR = checksum(GENESIS.validators[0][0])
KEY = bytes.fromhex("5b" * 32)
HOLDER = checksum(address_of(KEY))
PEER = "12D3KooWExample"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    node = Devnet(tmp_path_factory.mktemp("holders") / "home")
    node.start()
    yield node
    node.close()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(KEY.hex())
    return file


def answer(result: Result) -> dict[str, object]:
    assert result.exit_code == 0, result.output
    parsed: dict[str, object] = json.loads(result.stdout)
    return parsed


def account(index: int) -> str:
    return checksum(list(GENESIS.development_keys)[index])


# ── a real network ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_holder_registers_adds_to_its_deposit_and_leaves(zg: Run, network: Devnet, key_file: Path) -> None:
    rpc = ("--rpc", network.url, "--json")
    register = ("da", "register", "--vote-key-file", key_file, "--peer", PEER, "--dev", 1)
    result = zg(*register, *rpc)
    assert f"{HOLDER} has no coins: send it some" in result.stderr
    made = answer(result)
    assert (made["status"], made["holder"], made["owner"]) == ("success", HOLDER, account(1))
    assert (made["peer"], made["deposit"], made["holds_from_epoch"]) == (PEER, "32", 2)

    again = zg(*register, *rpc)
    assert again.exit_code == 1
    assert "this key is a holder already: see `zg-node da holder`" in again.stderr

    answer(zg("da", "add-stake", "8.5", "--holder", HOLDER, "--dev", 2, *rpc))
    shown = answer(zg("da", "holder", HOLDER, *rpc))
    assert (shown["status"], shown["deposit"], shown["owner"]) == ("waiting", "40.5", account(1))
    assert (shown["peer"], shown["withdraw_from_epoch"], shown["open_challenges"]) == (PEER, None, 0)

    stranger = zg("da", "exit", "--holder", HOLDER, "--dev", 2, *rpc)
    assert stranger.exit_code == 1
    assert "only the holder's owner may do that" in stranger.stderr
    early = zg("da", "withdraw", "--holder", HOLDER, "--dev", 1, *rpc)
    assert early.exit_code == 1
    assert "the holder has to leave first: see `zg-node da exit`" in early.stderr

    answer(zg("da", "exit", "--holder", HOLDER, "--dev", 1, *rpc))
    life = GENESIS.file.da.life_epochs
    shown = answer(zg("da", "holder", HOLDER, *rpc))
    assert (shown["status"], shown["withdraw_from_epoch"]) == ("leaving", life + 1)
    for command in (("withdraw", "--holder", HOLDER), ("add-stake", 1, "--holder", HOLDER)):
        late = zg("da", *command, "--dev", 1, *rpc)
        assert late.exit_code == 1
        assert f"the holder is leaving: its deposit may be withdrawn from epoch {life + 1} on" in late.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("holder", account(5)), "there is no such holder: see `zg-node da register`"),
        (("exit", "--holder", account(5), "--dev", 3), "there is no such holder"),
        (("exit", "--holder", VALIDATOR, "--dev", 3), "only the holder's owner may do that"),
        (("collect", "--dev", 3), "there is nothing to pay out"),
    ],
)
def test_a_refusal_is_a_sentence(zg: Run, network: Devnet, arguments: tuple[object, ...], why: str) -> None:
    result = zg("da", *arguments, "--rpc", network.url)
    assert result.exit_code == 1
    assert f"Error: {why}" in result.stderr


def test_too_small_a_deposit_is_refused_before_it_is_sent(zg: Run, network: Devnet, tmp_path: Path) -> None:
    file = tmp_path / "another"
    file.write_text("6c" * 32)
    options = ("--vote-key-file", file, "--peer", PEER, "--dev", 3, "--deposit", "31.5", "--rpc", network.url)
    result = zg("da", "register", *options)
    assert result.exit_code == 1
    assert "31.5 coins are too few: at least 32 are needed" in result.stderr


def test_the_validator_of_a_development_network_holds(zg: Run, network: Devnet) -> None:
    shown = answer(zg("da", "holder", VALIDATOR, "--rpc", network.url, "--json"))
    assert (shown["status"], shown["deposit"], shown["epoch"]) == ("holding", "32", 0)


def test_without_expired_blobs_nothing_is_claimed(zg: Run, network: Devnet) -> None:
    claimed = answer(zg("da", "claim", "--holder", VALIDATOR, "--dev", 0, "--rpc", network.url, "--json"))
    assert claimed == {"blobs": 0, "transactions": []}


def test_a_directory_gives_the_key_and_the_peer_id(zg: Run, network: Devnet, tmp_path: Path) -> None:
    home, chain, password = tmp_path / "home", tmp_path / "chain.toml", tmp_path / "password"
    chain.write_text(packaged("devnet"))
    password.write_text("a long password")
    made = answer(zg("init", "mine", "--home", home, "--genesis", chain, "--password-file", password, "--json"))
    options = ("--home", home, "--vote-password-file", password, "--dev", 4, "--rpc", network.url, "--json")
    registered = answer(zg("da", "register", *options))
    assert (registered["holder"], registered["peer"]) == (made["validator"], peer_id(node_seed(home)))
    assert registered["next"] == f"zg-node start --home {home}"
    shown = answer(zg("da", "holder", "--home", home, "--rpc", network.url, "--json"))
    assert (shown["holder"], shown["peer"]) == (registered["holder"], registered["peer"])


@pytest.mark.parametrize("command", ["register", "exit", "withdraw", "claim"])
def test_a_directory_without_a_key_says_what_to_do(zg: Run, tmp_path: Path, command: str) -> None:
    assert zg("init", "alpha", "--home", tmp_path / "home").exit_code == 0
    result = zg("da", command, "--home", tmp_path / "home", "--dev", 3, "--rpc", "http://127.0.0.1:1")
    assert result.exit_code == 2
    assert "has no key of its own: make the directory with `zg-node init NAME --genesis FILE`" in result.stderr
    assert ("--vote-key-file" if command == "register" else "--holder") in result.stderr


# ── answers from a table ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_network_without_the_contract_is_told_from_one(zg: Run, scripted: ScriptedNode) -> None:
    scripted.answers = {"eth_call": "0x"}
    result = zg("da", "holder", HOLDER, "--rpc", scripted.url)
    assert result.exit_code == 2
    assert "has no contract of data availability" in result.stderr


def test_an_error_without_a_sentence_is_named(zg: Run, scripted: ScriptedNode) -> None:
    reentered = next(s for s, e in interface("DataAvailability").errors.items() if e.name == "Reentered")
    scripted.answers = {"eth_call": RpcError(3, "execution reverted", "0x" + reentered.hex())}
    result = zg("da", "holder", HOLDER, "--rpc", scripted.url)
    assert result.exit_code == 1
    assert "the contract of data availability refuses: Reentered" in result.stderr


def test_every_sentence_is_of_an_error_that_the_contract_has() -> None:
    errors: dict[str, Function] = {error.name: error for error in interface("DataAvailability").errors.values()}
    for name, text in SENTENCES.items():
        assert text.count("{") <= len(errors[name].inputs)


# ── what is worked out ──────────────────────────────────────────────────────────────────────────────────────────────

A, B, C = (bytes([number]) * 20 for number in (1, 2, 3))


def blob(tag: int, epoch: int, expiry: int, signers: tuple[int, ...], settled: tuple[int, ...] = ()) -> BlobInfo:
    return BlobInfo(bytes([tag]) * 32, 5, 0, epoch, expiry, A, 7, 8, 100, 100, signers, settled, 60)


def test_what_expired_and_was_signed_is_claimed_once() -> None:
    asked = []

    def signers(epoch: int) -> tuple[bytes, ...]:
        asked.append(epoch)
        return (A, B, C) if epoch < 4 else (A, C)

    blobs = [
        blob(1, 3, 5, (0, 1)),
        blob(2, 3, 6, (0, 1)),
        blob(3, 3, 5, (0, 2)),
        blob(4, 3, 5, (1, 2), settled=(1,)),
        blob(5, 3, 4, (1, 2), settled=(2,)),
        blob(6, 4, 5, (0, 1)),
    ]
    assert [found.commitment[0] for found in claimable(blobs, B, 6, signers)] == [1, 5]
    assert asked == [3, 4], "each set is asked for once"
    assert [found.commitment[0] for found in claimable(blobs, C, 6, signers)] == [3, 4, 6]
    [found] = claimable(blobs[:1], A, 6, signers)
    assert (found.length, found.quorum, found.epoch, found.expiry) == (5, 0, 3, 5)


@pytest.mark.parametrize(
    ("stake", "listed", "released_in", "expected"),
    [
        (9, True, 0, "waiting"),
        (9, False, 0, "off the list"),
        (9, False, 6, "leaving"),
        (9, False, 5, "may withdraw"),
        (0, False, 5, "withdrawn"),
    ],
)
def test_where_a_holder_stands_follows_from_what_the_contract_says(
    stake: int, listed: bool, released_in: int, expected: str
) -> None:
    info = HolderInfo(A, B, PEER, stake, listed, released_in, 0)
    assert status(info, 5, (C,), (C,)) == expected
    if expected == "waiting":
        assert status(info, 5, (A, C), (C,)) == "holding"
        assert status(info, 5, (C,), (A, C)) == "next epoch"


def test_the_set_of_the_second_epoch_after_the_block_is_the_first() -> None:
    assert [first_epoch(block, 10) for block in (1, 10, 11, 20, 21)] == [2, 2, 3, 3, 4]
