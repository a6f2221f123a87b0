"""`zg-node keys`: accounts in encrypted keystores."""

from __future__ import annotations

import os
import warnings
from getpass import GetPassWarning
from pathlib import Path

import click

from zg_node.cli import home as homes
from zg_node.cli.options import home_option, json_option
from zg_node.cli.output import show, show_table
from zg_node.cli.values import Address
from zg_node.errors import InvalidConfig
from zg_node.keys import KEYFILE_MAX_BYTES, Keystore, checksum, decrypt, parse_secret


@click.group()
def keys() -> None:
    """Make, list, import and export accounts."""


password_option = click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file whose first line is the password; without it you are asked.",
)


@keys.command()
@home_option
@password_option
@json_option
def new(home: Path, password_file: Path | None, as_json: bool) -> None:
    """Make an account with a new key."""
    stored = keystore(home).create(ask_password(password_file, confirm=True))
    show({"address": checksum(stored.address), "file": str(stored.path)}, as_json)


@keys.command("list")
@home_option
@json_option
def list_(home: Path, as_json: bool) -> None:
    """List the accounts of a data directory."""
    records = [{"address": checksum(key.address), "file": str(key.path)} for key in keystore(home).list()]
    if as_json:
        show({"keys": records}, as_json)
    elif records:
        show_table(records)
    else:
        click.echo(f"no accounts in {home}; make one with `zg-node keys new --home {home}`", err=True)


@keys.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@home_option
@password_option
@json_option
def import_(file: Path, home: Path, password_file: Path | None, as_json: bool) -> None:
    """Take over an account from FILE: a keystore of any wallet, or a private key in hexadecimal ("-": standard input).

    The account keeps its keystore's password; a bare key is encrypted under the one that you give.
    """
    text = _read(file)
    is_keystore = text.lstrip().startswith("{")
    password = ask_password(password_file, confirm=not is_keystore)
    secret = decrypt(text, password, str(file)) if is_keystore else parse_secret(text, str(file))
    stored = keystore(home).add(secret, password)
    show({"address": checksum(stored.address), "file": str(stored.path)}, as_json)


@keys.command()
@click.argument("address", type=Address())
@home_option
@password_option
@click.option("--secret", is_flag=True, help="Print the bare private key instead of the encrypted keystore.")
def export(address: bytes, home: Path, password_file: Path | None, secret: bool) -> None:
    """Print the keystore of ADDRESS after checking its password; with --secret, the private key itself."""
    store = keystore(home)
    key = store.export(address, ask_password(password_file, confirm=False))
    if secret:
        click.echo("0x" + key.hex())
        return
    click.echo((store.directory / f"{checksum(address)}.json").read_text(encoding="ascii"), nl=False)


def keystore(home: Path) -> Keystore:
    """The accounts of a data directory."""
    return Keystore(home / homes.KEYS)


def ask_password(file: Path | None, *, confirm: bool, option: str = "--password-file") -> str:
    """The first line of `file`, or what a person types. Raises InvalidConfig, also when nobody is there to type:
    `option` is what names a file."""
    if file is None:
        return _typed_password(confirm, option)
    lines = _read(file).splitlines()
    if not lines:
        raise InvalidConfig(f"{file} is empty: its first line should be the password")
    return lines[0]


def _typed_password(confirm: bool, option: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error", GetPassWarning)  # what would be typed could be read by others
        try:
            return str(click.prompt("Password", hide_input=True, confirmation_prompt=confirm, err=True))
        except GetPassWarning as error:
            raise InvalidConfig(
                f"there is no terminal to ask for the password: name a file that holds it with {option}"
            ) from error


def _read(file: Path) -> str:
    """A small text file, or standard input for "-". Raises InvalidConfig."""
    try:
        with click.open_file(os.fspath(file), "rb") as stream:
            data = stream.read(KEYFILE_MAX_BYTES + 1)
    except OSError as error:
        raise InvalidConfig(f"{file} cannot be read: {error.strerror}") from error
    if len(data) > KEYFILE_MAX_BYTES:
        raise InvalidConfig(f"{file} is too large for a key or a password")
    try:
        return bytes(data).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidConfig(f"{file} is not text") from error
