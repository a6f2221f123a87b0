"""`init` and `config`: a data directory whose files are what was asked for."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from zg_node.cli import home as homes
from zg_node.config import Settings, load, parse
from zg_node.execution.genesis import packaged

Run = Callable[..., Result]


def test_init_makes_a_home_with_its_configuration(zg: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    record = json.loads(zg("init", "alpha", "--home", home, "--shards", 2, "--json").stdout)
    settings = load(home / homes.CONFIG)
    assert (settings.node.name, settings.network.shards, settings.network.genesis) == ("alpha", 2, "devnet")
    assert record["home"] == str(home)
    assert not (home / "keys").exists()


def test_init_with_a_genesis_file_copies_it_and_makes_a_voting_key(zg: Run, tmp_path: Path) -> None:
    chain = tmp_path / "chain.toml"
    chain.write_text(packaged("devnet"))
    home = tmp_path / "home"
    password = tmp_path / "password"
    password.write_text("correct horse\n")
    options = ("--home", home, "--genesis", chain, "--password-file", password, "--json")
    record = json.loads(zg("init", "alpha", *options).stdout)
    assert (home / "genesis.toml").read_text() == chain.read_text()
    assert load(home / homes.CONFIG).network.genesis == "genesis.toml"
    settings = load(home / homes.CONFIG)
    assert settings.consensus.validator == record["validator"]
    stored = home / "keys" / f"{record['validator']}.json"
    assert stored.stat().st_mode & 0o777 == 0o600
    assert json.loads(stored.read_text())["crypto"]["kdf"] == "scrypt"
    shown = json.loads(zg("validator", "key", "--home", home, "--vote-password-file", password, "--json").stdout)
    assert shown == {"address": record["validator"], "pubkey48": record["pubkey48"]}


def test_init_refuses_a_genesis_file_that_is_none_and_leaves_nothing(zg: Run, tmp_path: Path) -> None:
    chain = tmp_path / "chain.toml"
    chain.write_text("name = 3")
    result = zg("init", "alpha", "--home", tmp_path / "home", "--genesis", chain)
    assert result.exit_code == 2
    assert "chain.toml" in result.output
    assert not (tmp_path / "home").exists()


def test_init_refuses_a_directory_with_files(zg: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = zg("init", "alpha", "--home", tmp_path)
    assert result.exit_code == 2
    assert "not empty" in result.output


def test_init_refuses_a_name_that_is_none(zg: Run, tmp_path: Path) -> None:
    result = zg("init", "a/b", "--home", tmp_path / "home")
    assert result.exit_code == 2
    assert not (tmp_path / "home").exists()


def test_config_default_is_a_configuration_file(zg: Run) -> None:
    assert parse(zg("config", "default").stdout, "output") == Settings()


def test_config_show_fills_in_what_the_file_leaves_out(zg: Run, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[rpc]\nport = 9000\n")
    shown = json.loads(zg("config", "show", "--config", file, "--json").stdout)
    assert shown["rpc"]["port"] == 9000
    assert shown["mempool"] == Settings().mempool.model_dump()
    assert parse(zg("config", "show", "--config", file).stdout, "output").rpc.port == 9000


def test_config_show_names_the_unknown_key(zg: Run, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[rpc]\nprot = 9000\n")
    result = zg("config", "show", "--config", file)
    assert result.exit_code == 2
    assert "did you mean 'rpc.port'?" in result.output


def test_start_without_a_home_says_how_to_make_one(zg: Run, tmp_path: Path) -> None:
    result = zg("start", "--home", tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "zg-node init" in result.output


def test_devnet_refuses_contradicting_options(zg: Run, tmp_path: Path) -> None:
    result = zg("devnet", "--datadir", tmp_path / "home", "--archive", "--prune", 5)
    assert result.exit_code == 2
    assert not (tmp_path / "home").exists()


def test_devnet_reset_leaves_a_foreign_directory_alone(zg: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    result = zg("devnet", "--datadir", tmp_path, "--reset")
    assert result.exit_code == 2
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("named", [True, False], ids=["a chain file", "the development network"])
def test_init_takes_ports_that_are_free(zg: Run, tmp_path: Path, named: bool) -> None:
    chain = tmp_path / "chain.toml"
    chain.write_text(packaged("devnet"))
    genesis = ("--genesis", chain) if named else ()
    taken = Settings().rpc.port
    with socket.socket() as other:
        try:
            other.bind(("127.0.0.1", taken))
            other.listen()
        except OSError:
            pass  # somebody else has it: as good
        record = json.loads(zg("init", "alpha", "--home", tmp_path / "home", *genesis, "--json").stdout)
    port = load(tmp_path / "home" / homes.CONFIG).rpc.port
    assert port > taken
    assert record["rpc"] == f"http://127.0.0.1:{port}"


def test_a_node_without_a_voting_key_needs_no_password(zg: Run, tmp_path: Path) -> None:
    chain = tmp_path / "chain.toml"
    chain.write_text(packaged("devnet"))
    address = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWJ6CW641uGHqU8FHM2FdMgmhMyxKcZKC61DWN7gchmj1e"
    result = zg("init", "alpha", "--home", tmp_path / "home", "--genesis", chain, "--bootstrap", address)
    assert result.exit_code == 0, result.output
    settings = load(tmp_path / "home" / homes.CONFIG)
    assert (settings.consensus.validator, settings.p2p.enabled, settings.p2p.bootstrap) == ("", True, (address,))
    assert not (tmp_path / "home" / "keys").exists()


@pytest.mark.parametrize(
    "address", ["foo", "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWJ6CW641uGHqU8FHM2FdMgmhMyxKcZKC61DWN7gchmj1e"]
)
def test_a_bootstrap_address_needs_a_chain_file(zg: Run, tmp_path: Path, address: str) -> None:
    result = zg("init", "alpha", "--home", tmp_path / "home", "--bootstrap", address)
    assert result.exit_code == 2
    assert "--bootstrap needs --genesis, the chain file of the network" in result.output
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(("shards", "code"), [(1, 0), (2, 0), (3, 2)])
def test_a_node_runs_no_more_shards_than_its_network_has(zg: Run, tmp_path: Path, shards: int, code: int) -> None:
    chain = tmp_path / "chain.toml"
    chain.write_text("shards = 2\n" + packaged("devnet"))
    result = zg("init", "alpha", "--home", tmp_path / "home", "--genesis", chain, "--shards", shards)
    assert result.exit_code == code, result.output
    assert homes.is_home(tmp_path / "home") == (code == 0)
    if code:
        assert f"--shards 3 is more than the 2 of the network in {chain}" in result.output


def test_a_voting_key_needs_a_chain_file(zg: Run, tmp_path: Path) -> None:
    result = zg("init", "alpha", "--home", tmp_path / "home", "--validator")
    assert result.exit_code == 2
    assert "--genesis" in result.output
