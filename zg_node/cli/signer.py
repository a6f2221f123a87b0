"""Who signs a transaction: a development account, an account of a keystore, or a key in a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click

from zg_node.cli.keys import ask_password, keystore
from zg_node.cli.options import home_option
from zg_node.cli.values import Address
from zg_node.errors import InvalidConfig
from zg_node.execution.genesis import packaged, parse
from zg_node.keys import address_of, parse_secret

Command = TypeVar("Command", bound=Callable[..., Any])


class Signer(Protocol):
    """Whoever has a key to sign with."""

    def secret(self) -> bytes:
        """The key, 32 bytes. Raises InvalidConfig."""
        ...


@dataclass(frozen=True, slots=True)
class OpenedSigner:
    """A key that was read once, for several transactions."""

    key: bytes = field(repr=False)

    def secret(self) -> bytes:
        """See `Signer`."""
        return self.key

    @property
    def address(self) -> bytes:
        return address_of(self.key)


@dataclass(frozen=True, slots=True)
class SignerChoice:
    """What the options of `signer_options` say; `secret` reads the key when it is needed."""

    dev: int | None
    sender: bytes | None
    home: Path
    password_file: Path | None
    key_file: Path | None

    def secret(self) -> bytes:
        """The key, 32 bytes. Raises InvalidConfig."""
        given = [option is not None for option in (self.dev, self.sender, self.key_file)]
        if sum(given) != 1:
            raise InvalidConfig("say who sends, in one way: --dev N, --from ADDRESS, or --key-file FILE")
        if self.dev is not None:
            return _development_key(self.dev)
        if self.sender is not None:
            return keystore(self.home).export(self.sender, ask_password(self.password_file, confirm=False))
        assert self.key_file is not None
        return parse_secret(self.key_file.read_text(encoding="utf-8", errors="replace"), str(self.key_file))

    def open(self) -> OpenedSigner:
        """Read the key now. Raises InvalidConfig."""
        return OpenedSigner(self.secret())

    def address(self) -> bytes | None:
        """The sender without opening its keystore; None when nobody is named."""
        if self.sender is not None:
            return self.sender
        if self.dev is None and self.key_file is None:
            return None
        return address_of(self.secret())


def _development_key(index: int) -> bytes:
    known = list(parse(packaged("devnet"), "devnet").development_keys.values())
    if index >= len(known):
        raise InvalidConfig(f"there are {len(known)} development accounts, numbered from 0")
    return known[index]


def signer_options(command: Command) -> Command:
    """The options that make a `SignerChoice`; the command takes them by their names there."""
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    command = click.option("--key-file", type=file, help="A file with the sender's private key in hexadecimal.")(
        command
    )
    command = click.option("--password-file", type=file, help="A file with the password of --from's account.")(command)
    command = home_option(command)
    command = click.option("--from", "sender", type=Address(), help="Send from this account of --home's keys.")(command)
    return click.option("--dev", type=click.IntRange(0), help="Send from development account N (0 to 9).")(command)
