"""`zg-node validator` against a development network in a process of its own, and against answers from a table."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.scripted import RpcError, ScriptedNode
from tests.devnet import PROGRAM, Devnet
from tests.jsonrpc import Client
from tests.testnet import final
from zg_node.cli.staking import SENTENCES
from zg_node.cli.validator_create import check_unfinished
from zg_node.cli.values import percent
from zg_node.contracts import staking
from zg_node.contracts.abi import Function, interface
from zg_node.contracts.staking import ValidatorInfo
from zg_node.errors import InvalidRequest
from zg_node.execution.genesis import packaged, parse
from zg_node.keys import checksum

Run = Callable[..., Result]

GENESIS = parse(packaged("devnet"), "devnet")
VOTER = GENESIS.validators[0][0]
FIRST = checksum(staking.validator_address(bytes.fromhex(GENESIS.file.validators[0].pubkey48[2:])))
OPERATOR = 0
"""The development account that operates it."""
FINAL_S = 20.0


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    node = Devnet(tmp_path_factory.mktemp("validators") / "home")
    node.start()
    yield node
    node.close()


@pytest.fixture
def vote_key(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A file with a voting key of this test's own: the network goes on knowing the keys that it has seen."""
    file = tmp_path / "vote-key"
    file.write_text("0x" + sha256(request.node.name.encode()).hexdigest() + "\n")
    return file


def answer(result: Result) -> dict[str, object]:
    assert result.exit_code == 0, result.output
    parsed: dict[str, object] = json.loads(result.stdout)
    return parsed


# ── a real network ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_validator_is_created_delegated_to_and_left(zg: Run, network: Devnet, vote_key: Path) -> None:
    rpc = ("--rpc", network.url, "--json")
    terms = ("--stake", 40, "--commission", "7.5", "--moniker", "mine")
    create = ("validator", "create", "--vote-key-file", vote_key, "--dev", 1, *terms, *rpc)
    created = answer(zg(*create))
    validator = created["validator"]
    assert len(created["transactions"]) == 2  # type: ignore[arg-type]
    again = zg(*create)
    assert (again.exit_code, again.stdout) == (1, ""), "nothing is done twice"
    assert (
        f"has a validator already, {validator}, with 40 coins: `zg-node validator delegate {validator}" in again.stderr
    )

    answer(zg("validator", "delegate", validator, 10, "--dev", 2, *rpc))
    answer(zg("validator", "undelegate", validator, "2.5", "--dev", 2, *rpc))
    shown = answer(zg("validator", "info", created["voter"], "--delegator", delegator(2), *rpc))
    assert (shown["validator"], shown["stake"], shown["self_stake"]) == (validator, "47.5", "40")
    assert (shown["status"], shown["commission"], shown["moniker"]) == ("waiting", "7.5%", "mine")
    assert (shown["delegated"], shown["rewards"]) == ("7.5", "0")

    answer(zg("validator", "edit", validator, "--commission", 9, "--website", "https://example.org", "--dev", 1, *rpc))
    shown = answer(zg("validator", "info", validator, *rpc))
    assert (shown["commission"], shown["next_commission"]) == ("7.5%", "9%")
    assert (shown["moniker"], shown["website"]) == ("mine", "https://example.org")

    listed = answer(zg("validator", "list", *rpc))["validators"]
    assert [entry["validator"] for entry in listed] == [validator, FIRST]  # type: ignore[attr-defined]


def test_the_table_is_for_people(zg: Run, network: Devnet) -> None:
    lines = zg("validator", "list", "--rpc", network.url).stdout.splitlines()
    assert lines[0] == "epoch 0, 32 coins vote"
    assert lines[1].split() == ["validator", "status", "stake", "self", "stake", "commission", "voter", "missed"]
    [line] = [line for line in lines if line.startswith(FIRST)]
    assert line.split()[1:4] == ["voting", "32", "32"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("unjail", FIRST, "--dev", OPERATOR), "the validator is not in jail"),
        (("unjail", FIRST, "--dev", 3), "only the validator's operator may do that"),
        (("edit", FIRST, "--commission", 50, "--dev", OPERATOR), "the commission may be at most 5%"),
        (("undelegate", FIRST, 33, "--dev", OPERATOR), "only 32 coins' worth of shares"),
        (("undelegate", FIRST, 1, "--dev", 3), "only 0 coins' worth of shares"),
        (("delegate", FIRST, "1gwei", "--dev", 3), "0.000000001 coins are too few: at least 0.001 are needed"),
        (("withdraw", "--dev", 3), "there is nothing to pay out yet"),
        (("claim", FIRST, "--dev", 3), "there is nothing to pay out yet"),
        (("claim", FIRST, "--commission", "--dev", 3), "only the validator's operator may do that"),
        (("info", checksum(bytes(19) + b"\1")), "there is no such validator: see `zg-node validator list`"),
    ],
)
def test_a_refusal_is_a_sentence(zg: Run, network: Devnet, arguments: tuple[object, ...], why: str) -> None:
    result = zg("validator", *arguments, "--rpc", network.url)
    assert result.exit_code == 1
    assert f"Error: {why}" in result.output


def test_too_small_a_stake_is_refused_before_it_is_sent(zg: Run, network: Devnet, vote_key: Path) -> None:
    result = zg("validator", "create", "--vote-key-file", vote_key, "--dev", 3, "--stake", 31, "--rpc", network.url)
    assert result.exit_code == 1
    assert "31 coins are too few: at least 32 are needed" in result.output


def test_without_waiting_a_validator_is_created_in_two_runs(zg: Run, network: Devnet, vote_key: Path) -> None:
    create = ("validator", "create", "--vote-key-file", vote_key, "--dev", 4, "--rpc", network.url, "--json")
    first = answer(zg(*create, "--timeout", 0))
    staked = str(first["transactions"][0])  # type: ignore[index]
    assert f"once {staked} is final" in str(first["next"])
    with Client(network.url) as client:
        assert final(client, staked, FINAL_S)["status"] == "0x1"
    second = answer(zg(*create))
    assert len(second["transactions"]) == 1  # type: ignore[arg-type]
    assert "next" not in second
    assert (
        answer(zg("validator", "info", first["validator"], "--rpc", network.url, "--json"))["voter"] == first["voter"]
    )


def test_too_little_gas_is_told_from_a_refusal(zg: Run, network: Devnet, vote_key: Path) -> None:
    result = zg("validator", "create", "--vote-key-file", vote_key, "--dev", 5, "--gas", 300_000, "--rpc", network.url)
    assert result.exit_code == 1
    assert "changed nothing: it ran out of gas, of which --gas allowed 300000" in result.stderr
    result = zg("validator", "unjail", FIRST, "--dev", OPERATOR, "--gas", 300_000, "--rpc", network.url)
    assert result.exit_code == 1
    assert "changed nothing: the validator is not in jail" in result.stderr


def test_a_home_without_a_voting_key_says_what_to_do(zg: Run, network: Devnet, tmp_path: Path) -> None:
    assert zg("init", "alpha", "--home", tmp_path / "home").exit_code == 0
    result = zg("validator", "create", "--home", tmp_path / "home", "--dev", 3, "--rpc", network.url)
    assert result.exit_code == 2
    assert "--vote-key-file" in result.output


def test_a_vote_keys_password_has_an_option_of_its_own(network: Devnet, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (tmp_path / "chain.toml").write_text(packaged("devnet"))
    (tmp_path / "password").write_text("a long password")
    made = ("init", "a", "--home", home, "--genesis", tmp_path / "chain.toml", "--password-file", tmp_path / "password")
    create = ("validator", "create", "--home", home, "--dev", 3, "--rpc", network.url)
    for arguments, code in ((made, 0), (create, 2)):
        command = [*PROGRAM, *map(str, arguments)]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert result.returncode == code, result.stderr
    assert "with --vote-password-file" in result.stderr


@pytest.mark.parametrize("command", ["delegate", "undelegate"])
def test_an_amount_of_nothing_is_refused(zg: Run, command: str) -> None:
    result = zg("validator", command, FIRST, 0, "--dev", 0, "--rpc", "http://127.0.0.1:1")
    assert result.exit_code == 2
    assert "an amount above 0 is needed" in result.stderr


# ── answers from a table ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_network_without_the_contract_is_told_from_one(zg: Run, scripted: ScriptedNode) -> None:
    scripted.answers = {"eth_call": "0x"}
    result = zg("validator", "list", "--rpc", scripted.url)
    assert result.exit_code == 2
    assert "has no staking contract" in result.output


@pytest.mark.parametrize("data", ["0x", "0xdeadbeef", "0x08c379a0", "0x" + "00" * 100])
def test_a_revert_of_something_else_is_the_nodes_sentence(zg: Run, scripted: ScriptedNode, data: str) -> None:
    scripted.answers = {"eth_call": RpcError(3, "execution reverted: elsewhere", data)}
    result = zg("validator", "list", "--rpc", scripted.url)
    assert result.exit_code == 1
    assert "execution reverted: elsewhere" in result.output


@pytest.mark.parametrize("garbage", ["0x01", "0xzz", None, 7])
def test_an_answer_of_another_shape_is_one_sentence(zg: Run, scripted: ScriptedNode, garbage: object) -> None:
    scripted.answers = {"eth_call": garbage}
    result = zg("validator", "list", "--rpc", scripted.url)
    assert result.exit_code in (1, 2)
    assert result.output.count("\n") == 1


VOTE_KEY = b"v" * 20


def described(voter: bytes, tombstoned: bool) -> ValidatorInfo:
    amounts = dict.fromkeys(("shares", "self_stake", "commission_owed", "commission_ppm", "next_commission_ppm"), 0)
    counts = dict.fromkeys(("withdrawal_fee_gwei", "missed", "jailed_until"), 0)
    return ValidatorInfo(
        b"a" * 20, b"o" * 20, voter, b"p" * 48, 32 * 10**18, tombstoned=tombstoned, candidate=True, **amounts, **counts
    )


@pytest.mark.parametrize(("tombstoned", "why"), [(True, "was slashed .* never comes back"), (False, "with 32 coins")])
def test_a_key_whose_validator_is_complete_or_slashed_makes_no_other(tombstoned: bool, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        check_unfinished(described(VOTE_KEY, tombstoned), VOTE_KEY)


def test_a_validator_without_its_vote_key_is_finished() -> None:
    check_unfinished(described(bytes(20), tombstoned=False), VOTE_KEY)


def test_every_sentence_is_of_an_error_that_the_contract_has() -> None:
    errors: dict[str, Function] = {error.name: error for error in interface("Staking").errors.values()}
    for name, text in SENTENCES.items():
        assert text.count("{") <= len(errors[name].inputs)


@pytest.mark.parametrize("text", ["101", "-1", "five", "5.12345", "", "1e2"])
def test_what_is_no_percentage_is_refused(zg: Run, text: str) -> None:
    result = zg("validator", "edit", FIRST, "--commission", text, "--dev", 0, "--rpc", "http://127.0.0.1:1")
    assert result.exit_code == 2


def test_per_cent_are_exact() -> None:
    assert [percent(ppm) for ppm in (0, 1, 50_000, 75_000, 1_000_000)] == ["0%", "0.0001%", "5%", "7.5%", "100%"]


def delegator(index: int) -> str:
    return checksum(list(GENESIS.development_keys)[index])
