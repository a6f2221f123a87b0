"""`zg-node keys`: the commands around the keystore."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.devnet import PROGRAM
from zg_node import keys
from zg_node.cli import keys as command

Run = Callable[..., Result]
KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


@pytest.fixture(autouse=True)
def cheap_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "keystore", lambda home: keys.Keystore(home / "keys", scrypt_n=2))


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text("correct horse\nanother line\n")
    return file


def test_a_new_account_is_listed(zg: Run, tmp_path: Path, password: Path) -> None:
    made = json.loads(zg("keys", "new", "--home", tmp_path, "--password-file", password, "--json").stdout)
    listed = json.loads(zg("keys", "list", "--home", tmp_path, "--json").stdout)
    assert listed == {"keys": [made]}


def test_a_password_is_asked_for_twice(zg: Run, tmp_path: Path) -> None:
    assert zg("keys", "new", "--home", tmp_path, stdin="correct horse\ncorrect horse\n").exit_code == 0
    assert zg("keys", "new", "--home", tmp_path, stdin="correct horse\ncorrect house\n").exit_code != 0
    assert len(list((tmp_path / "keys").iterdir())) == 1


@pytest.mark.parametrize(
    "command",
    [
        ("keys", "new"),
        ("keys", "import", "key"),
        ("keys", "export", ADDRESS),
        ("tx", "send", ADDRESS, "--value", "1", "--from", ADDRESS),
    ],
)
def test_without_a_terminal_a_password_file_is_asked_for(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    result = subprocess.run(
        [*PROGRAM, *command, "--home", str(tmp_path)],
        input="correct horse\ncorrect horse\n", capture_output=True, text=True, timeout=60, check=False,
        cwd=tmp_path, start_new_session=True,
    )  # fmt: skip
    assert result.returncode == 2
    assert "--password-file" in result.stderr.splitlines()[-1]
    assert "arning" not in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "keys").exists()


def test_a_key_goes_out_as_it_came_in(zg: Run, tmp_path: Path, password: Path) -> None:
    options = ("--home", tmp_path, "--password-file", password)
    assert zg("keys", "import", "-", *options, stdin=KEY).exit_code == 0
    assert zg("keys", "export", ADDRESS, "--secret", *options).stdout == f"0x{KEY}\n"


def test_an_exported_keystore_is_imported_elsewhere(zg: Run, tmp_path: Path, password: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    zg("keys", "import", "-", "--home", first, "--password-file", password, stdin=KEY)
    exported = zg("keys", "export", ADDRESS, "--home", first, "--password-file", password).stdout
    assert KEY not in exported
    assert zg("keys", "import", "-", "--home", second, "--password-file", password, stdin=exported).exit_code == 0
    assert zg("keys", "export", ADDRESS, "--secret", "--home", second, "--password-file", password).stdout[2:-1] == KEY


def test_no_accounts_say_how_to_make_one(zg: Run, tmp_path: Path) -> None:
    result = zg("keys", "list", "--home", tmp_path)
    assert result.exit_code == 0
    assert "zg-node keys new" in result.stderr


@pytest.mark.parametrize("content", ["", "not a key", "{", "x" * 100_000])
def test_what_is_no_key_is_refused(zg: Run, tmp_path: Path, password: Path, content: str) -> None:
    result = zg("keys", "import", "-", "--home", tmp_path, "--password-file", password, stdin=content)
    assert result.exit_code == 2
    assert not (tmp_path / "keys").exists()


def test_an_empty_password_file_is_refused(zg: Run, tmp_path: Path, password: Path) -> None:
    password.write_text("")
    result = zg("keys", "new", "--home", tmp_path, "--password-file", password)
    assert result.exit_code == 2
    assert "first line should be the password" in result.output
