"""Settings: the file that documents itself, and what is refused."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zg_node.config import CONFIG_MAX_BYTES, Settings, load, override, parse, render
from zg_node.errors import InvalidConfig
from zg_node.rpc.limits import Limits


def test_the_rendered_defaults_parse_back_to_the_defaults() -> None:
    assert parse(render(Settings()), "test") == Settings()


def test_changed_settings_survive_a_round_trip() -> None:
    changed = override(
        Settings(), {"rpc.cors_origins": ("https://a.example", 'quote " and \\'), "state.archive": True, "rpc.port": 1}
    )
    assert parse(render(changed), "test") == changed


@given(st.text(min_size=1))
def test_any_text_survives_a_round_trip(host: str) -> None:
    changed = override(Settings(), {"rpc.host": host})
    assert parse(render(changed), "test") == changed


def test_every_field_is_documented() -> None:
    for name, section in Settings.model_fields.items():
        kind = section.annotation
        assert kind is not None
        assert kind.__doc__, name
        for key, field in kind.model_fields.items():
            assert field.description, f"{name}.{key}"


def test_rpc_defaults_are_those_of_the_server() -> None:
    limits = Limits()
    rpc = Settings().rpc
    shared = {field.name for field in fields(Limits)} & set(type(rpc).model_fields)
    assert len(shared) > 15
    assert {name: getattr(rpc, name) for name in shared} == {name: getattr(limits, name) for name in shared}


def test_what_a_file_leaves_out_has_its_default() -> None:
    settings = parse("[rpc]\nport = 9000\n", "test")
    assert settings.rpc.port == 9000
    assert settings.rpc.host == Settings().rpc.host
    assert settings.mempool == Settings().mempool


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[rpc]\nprot = 1", "unknown key 'rpc.prot'; did you mean 'rpc.port'?"),
        ("[rcp]\nport = 1", "unknown key 'rcp'; did you mean 'rpc'?"),
        ("[consensus]\nlog_level = 'info'", "unknown key 'consensus.log_level'; did you mean 'node.log_level'?"),
        ("[state]\nqqqqqq = 1", "unknown key 'state.qqqqqq'; see `zg-node config default`"),
        ("[rpc]\nport = 70000", "rpc.port is 70000: input should be less than or equal to 65535"),
        ("[rpc]\nport = '80'", "rpc.port is '80': input should be a valid integer"),
        ("[rpc]\nport = true", "rpc.port is True: input should be a valid integer"),
        ("[engine]\nname = 'geth'", "engine.name is 'geth': input should be 'native' or 'py-evm'"),
        ("rpc = 3", "rpc is 3: it should be a table, [rpc]"),
        ("[node]\nname = 'a/b'", "node.name is 'a/b': string should match pattern"),
        ('[p2p]\nbootstrap = ["node-1:26656"]', "p2p.bootstrap has 'node-1:26656': an address looks like /ip4/"),
    ],
)
def test_a_fault_is_one_sentence_that_names_the_key(text: str, sentence: str) -> None:
    with pytest.raises(InvalidConfig) as failure:
        parse(text, "config.toml")
    assert str(failure.value).startswith(f"config.toml: {sentence}")
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("text", ["[rpc", "a", "[" * 100_000, "x = " + "[" * 100_000])
def test_what_is_not_toml_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfig, match=r"config\.toml is not TOML"):
        parse(text, "config.toml")


def test_an_override_is_checked_like_the_file() -> None:
    with pytest.raises(InvalidConfig, match=r"the command line: network\.shards is 0"):
        override(Settings(), {"network.shards": 0})


def test_settings_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().rpc.__setattr__("port", 1)


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="zg-node config default >"):
        load(tmp_path / "config.toml")


def test_files_that_are_no_configuration_are_refused(tmp_path: Path) -> None:
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    huge = tmp_path / "huge.toml"
    huge.write_bytes(b"#" * (CONFIG_MAX_BYTES + 1))
    for path in (binary, huge, tmp_path):
        with pytest.raises(InvalidConfig, match=path.name):
            load(path)
