"""A network founded from nothing, as docs/operator.md says: keys, the chain file, directories, two processes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.jsonrpc import Client
from tests.running_node import RunningNode
from tests.testnet import await_head
from zg_node.cli import home as homes
from zg_node.config import load
from zg_node.execution.genesis import packaged
from zg_node.execution.genesis import parse as parse_chain

Run = Callable[..., Result]

MANUAL = Path(__file__).parents[2] / "docs" / "operator.md"
FINAL_S = 30.0


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text("correct horse\n")
    return file


def answer(result: Result) -> dict[str, str]:
    assert result.exit_code == 0, result.output
    parsed: dict[str, str] = json.loads(result.stdout)
    return parsed


def chain_file(zg: Run, directory: Path, password: Path, names: tuple[str, ...]) -> Path:
    """The manual's chain file with a validator for each name, whose key lies in the directory of that name."""
    found = re.search(r"```toml\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    assert found, "the manual shows a chain file"
    text = found[1]
    for name in names:
        made = zg("validator", "new-key", "--home", directory / name, "--password-file", password)
        assert made.exit_code == 0, made.output
        assert f"zg-node init NAME --home {directory / name} --genesis FILE" in made.stderr
        text += made.stdout
    (directory / "chain.toml").write_text(text)
    return directory / "chain.toml"


def test_two_validators_found_a_network_from_nothing(zg: Run, tmp_path: Path, password: Path) -> None:
    chain = chain_file(zg, tmp_path, password, ("one", "two"))
    nodes, bootstrap = [], ""
    here = ("--http-port", "0", "--metrics-port", "0", "--p2p-listen", "/ip4/127.0.0.1/tcp/0")
    try:
        for name in ("one", "two"):
            made = answer(zg("init", name, "--home", tmp_path / name, "--genesis", chain, "--json"))
            assert made["validator"] == load(tmp_path / name / homes.CONFIG).consensus.validator
            options = (*here, "--password-file", str(password), *(("--bootstrap", bootstrap) if bootstrap else ()))
            nodes.append(RunningNode(tmp_path / name, tmp_path / f"{name}.log", options))
            nodes[-1].start()
            with nodes[-1].client() as client:
                [bootstrap] = client.call("zg_nodeInfo")["addresses"]
        for shard in range(2):
            with nodes[0].client(shard) as one, nodes[1].client(shard) as two:
                await_head(one, 2, FINAL_S)  # neither has two thirds of the stake
                await_head(two, 2, FINAL_S)
                assert same_block(one, two, 2)
    finally:
        for node in nodes:
            node.close()


def same_block(one: Client, two: Client, number: int) -> bool:
    first, second = (client.call("eth_getBlockByNumber", hex(number), True) for client in (one, two))
    return first is not None and first == second


def test_the_lines_give_the_validator_its_stake_and_its_coins(zg: Run, tmp_path: Path, password: Path) -> None:
    new = ("validator", "new-key", "--home", tmp_path / "one", "--password-file", password)
    chain = parse_chain(packaged("devnet") + zg(*new, "--stake", 77, "--balance", "1.5").stdout, "chain")
    member, account = chain.file.validators[-1], chain.file.accounts[-1]
    assert (member.stake, account.balance_wei) == (77, str(15 * 10**17))
    assert member.address == account.address
    assert (tmp_path / "one" / homes.KEYS / f"{member.address}.json").exists()


def test_a_founders_key_is_voted_with_and_its_password_is_checked(zg: Run, tmp_path: Path, password: Path) -> None:
    chain = chain_file(zg, tmp_path, password, ("one",))
    (tmp_path / "wrong").write_text("another horse")
    init = ("init", "one", "--home", tmp_path / "one", "--genesis", chain)
    refused = zg(*init, "--password-file", tmp_path / "wrong")
    assert refused.exit_code == 2
    assert "wrong password" in refused.stderr
    assert zg(*init, "--generate-password").exit_code == 2
    assert not homes.is_home(tmp_path / "one")
    assert zg(*init, "--password-file", password).exit_code == 0
    shown = answer(zg("validator", "key", "--home", tmp_path / "one", "--vote-password-file", password, "--json"))
    assert shown["pubkey48"] in chain.read_text()
    assert len(list((tmp_path / "one" / homes.KEYS).iterdir())) == 1


def test_two_listed_keys_in_one_directory_are_refused(zg: Run, tmp_path: Path, password: Path) -> None:
    chain = chain_file(zg, tmp_path, password, ("one", "one"))
    refused = zg("init", "one", "--home", tmp_path / "one", "--genesis", chain)
    assert refused.exit_code == 2
    assert "lists several keys" in refused.stderr
    assert not homes.is_home(tmp_path / "one")


def test_a_key_that_is_not_listed_stays_an_account(zg: Run, tmp_path: Path, password: Path) -> None:
    chain = tmp_path / "chain.toml"
    chain.write_text(packaged("devnet"))
    options = ("--home", tmp_path / "one", "--password-file", password, "--json")
    account = answer(zg("keys", "new", *options))["address"]
    made = answer(zg("init", "one", "--genesis", chain, *options))
    assert made["validator"] != account
    assert len(list((tmp_path / "one" / homes.KEYS).iterdir())) == 2


def test_a_node_without_a_key_is_given_one_once(zg: Run, tmp_path: Path, password: Path) -> None:
    (tmp_path / "chain.toml").write_text(packaged("devnet"))
    home = ("--home", tmp_path / "one")
    assert zg("init", "one", *home, "--genesis", tmp_path / "chain.toml").exit_code == 0
    before = load(tmp_path / "one" / homes.CONFIG)
    made = answer(zg("validator", "new-key", *home, "--password-file", password, "--json"))
    after = load(tmp_path / "one" / homes.CONFIG)
    assert after.consensus.validator == made["address"]
    assert after.model_dump(exclude={"consensus"}) == before.model_dump(exclude={"consensus"})
    again = zg("validator", "new-key", *home, "--password-file", password)
    assert again.exit_code == 2
    assert f"has a key already, {made['address']}" in again.stderr


def test_a_password_can_be_made_and_is_kept(zg: Run, tmp_path: Path) -> None:
    (tmp_path / "chain.toml").write_text(packaged("devnet"))
    home = ("--home", tmp_path / "one")
    made = answer(zg("init", "one", *home, "--genesis", tmp_path / "chain.toml", "--generate-password", "--json"))
    kept = tmp_path / "one" / homes.PASSWORD
    assert kept.stat().st_mode & 0o777 == 0o600
    assert answer(zg("validator", "key", *home, "--json"))["address"] == made["validator"]


def test_a_development_networks_node_and_a_strangers_directory_get_no_key(
    zg: Run, tmp_path: Path, password: Path
) -> None:
    assert zg("init", "one", "--home", tmp_path / "one").exit_code == 0
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.tex").write_text("years of work")
    for name, why in (("one", "is of the development network"), ("papers", "is not empty")):
        refused = zg("validator", "new-key", "--home", tmp_path / name, "--password-file", password)
        assert refused.exit_code == 2
        assert why in refused.stderr
        assert not (tmp_path / name / homes.KEYS).exists()
