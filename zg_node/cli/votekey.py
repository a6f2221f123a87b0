"""The key that a node votes and signs for data with, and the BLS key that is derived from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from coincurve import PrivateKey

from zg_node.cli import home as homes
from zg_node.cli.keys import ask_password, keystore
from zg_node.config import load
from zg_node.errors import InvalidConfig
from zg_node.keys import address_of, bls_pubkey, bls_secret, parse_secret

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class ValidatorKeys:
    """A voting key and its BLS key."""

    secret: bytes
    voter: bytes
    """20 bytes."""

    @classmethod
    def of(cls, secret: bytes) -> ValidatorKeys:
        """`secret` is the voting key, 32 bytes. Raises InvalidConfig when it is none."""
        return cls(secret, address_of(secret))

    @property
    def bls_pubkey(self) -> bytes:
        """48 bytes: the validator's identity."""
        return bls_pubkey(self.secret)

    def possession(self, message: bytes) -> bytes:
        """The proof that this BLS key signed `message`, 320 bytes."""
        from zg_node._core import bls_possession_proof  # the commands that only read work without the core

        return bls_possession_proof(bls_secret(self.secret), message)

    def vote_key_proof(self, digest: bytes) -> bytes:
        """The voting key's signature, 65 bytes."""
        return PrivateKey(self.secret).sign_recoverable(digest, hasher=None)


@dataclass(frozen=True, slots=True)
class VoteKeyChoice:
    """What the options of `vote_key_options` say; `open` reads the key when it is needed."""

    home: Path
    vote_key_file: Path | None
    vote_password_file: Path | None

    @classmethod
    def take(cls, options: dict[str, Any]) -> VoteKeyChoice:
        """Out of a command's options; `home` stays there for the signer."""
        return cls(options["home"], options.pop("vote_key_file"), options.pop("vote_password_file"))

    def open(self) -> ValidatorKeys:
        """The keys. Raises InvalidConfig."""
        if self.vote_key_file is not None:
            text = self.vote_key_file.read_text(encoding="utf-8", errors="replace")
            return ValidatorKeys.of(parse_secret(text, str(self.vote_key_file)))
        voter = key_of(self.home, "name a key with --vote-key-file")
        kept = self.home / homes.PASSWORD
        password_file = self.vote_password_file or (kept if kept.exists() else None)
        password = ask_password(password_file, confirm=False, option="--vote-password-file")
        return ValidatorKeys.of(keystore(self.home).export(voter, password))


def key_of(home: Path, otherwise: str) -> bytes:
    """The address of the key that a data directory votes and holds data with. Raises InvalidConfig, which ends in
    `otherwise`, when it has none."""
    homes.kind_of(home)
    voter = load(home / homes.CONFIG).consensus.validator
    if not voter:
        raise InvalidConfig(
            f"{home} has no key of its own: make the directory with `zg-node init NAME --genesis FILE` and --validator "
            f"or --holder, give it one with `zg-node validator new-key --home {home}`, or {otherwise}"
        )
    return bytes.fromhex(voter[2:])


def vote_key_options(command: Command) -> Command:
    """The options that make a `VoteKeyChoice`, beside `--home`."""
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    command = click.option(
        "--vote-password-file", type=file, help="A file with the voting key's password. [default: --home's, or ask]"
    )(command)
    return click.option(
        "--vote-key-file", type=file, help="A file with the voting key in hexadecimal, instead of --home's."
    )(command)
