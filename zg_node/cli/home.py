"""A node's data directory: how it is begun, recognised, held by one process at a time, and wiped.

<home>/zg-node.home    the marker: says that the directory is ours, and of which kind; locked while in use
<home>/config.toml     settings; in a development network's directory, those of its last start
<home>/keys/           encrypted keys: accounts, and the one that a validator votes with
everything else        belongs to the node: logs and databases, one place a shard
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from zg_node.config import Settings, render
from zg_node.db.durable import DRAFT, make_directory, write_file
from zg_node.errors import InvalidConfig

MARKER = "zg-node.home"
MARKER_MAX_BYTES = 4096
CONFIG = "config.toml"
KEYS = "keys"
PASSWORD = "password"  # noqa: S105 - a file's name
"""Opens the voting key without asking; there when an operator, or `zg-node testnet`, put it there."""
VERSION = 1

Kind = Literal["devnet", "node"]


def begin(home: Path, kind: Kind) -> None:
    """Make `home` a data directory; a node's may hold keys before. Raises InvalidConfig as `check_unused`."""
    check_unused(home, kind)
    try:
        make_directory(home, mode=0o700)
        text = json.dumps({"kind": kind, "version": VERSION}) + "\n"
        write_file(home / MARKER, text.encode())
    except OSError as error:
        raise InvalidConfig(f"{home} cannot be made a data directory: {error.strerror}") from error


def check_unused(home: Path, kind: Kind) -> None:
    """Raise InvalidConfig when `home` is a data directory already, or holds someone's files."""
    ours = {MARKER + DRAFT} | ({KEYS} if kind == "node" else set())
    try:
        names = {path.name for path in home.iterdir()} if home.exists() else set()
    except OSError as error:
        raise InvalidConfig(f"{home} cannot be made a data directory: {error.strerror}") from error
    if MARKER in names:
        raise InvalidConfig(f"{home} is a data directory already; choose another, or start it as it is")
    if names - ours:
        raise InvalidConfig(f"{home} is not empty and not a zg-node data directory; choose another")


def keep_settings(home: Path, settings: Settings) -> None:
    """Write the configuration of `home`; a development network's too, so that `zg-node db` opens its data as it was."""
    write_file(home / CONFIG, render(settings).encode())


def is_home(home: Path) -> bool:
    """Whether `home` has been begun."""
    return (home / MARKER).is_file()


def shards_of(home: Path) -> int:
    """How many shards `home` holds; 0 before its first start."""
    names = [path.name.removeprefix("shard-") for path in home.glob("shard-*") if path.is_dir()]
    return max((int(name) + 1 for name in names if name.isdecimal()), default=0)


def check_shards(home: Path, wanted: int, remedy: str) -> None:
    """Raise InvalidConfig, which ends in `remedy`, when `wanted` shards would leave some of `home` standing still."""
    held_shards = shards_of(home)
    if wanted < held_shards:
        raise InvalidConfig(f"{home} holds {held_shards} shards, but {wanted} should run: {remedy}")


def kind_of(home: Path) -> Kind:
    """Which kind of data directory `home` is. Raises InvalidConfig when it is none, or another version's."""
    if not home.is_dir():
        raise InvalidConfig(f"{home} does not exist; make it with `zg-node init NAME --home {home}`")
    if not is_home(home):
        raise InvalidConfig(
            f"{home} is not a zg-node data directory; make one with `zg-node init NAME --home DIRECTORY`"
        )
    try:
        with (home / MARKER).open("rb") as file:
            marker = json.loads(file.read(MARKER_MAX_BYTES))
        kind, version = marker["kind"], marker["version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidConfig(f"{home / MARKER} is damaged; restore it from a copy") from error
    if version != VERSION or kind not in ("devnet", "node"):
        raise InvalidConfig(f"{home} was made by another version of zg-node, or for something else")
    return "devnet" if kind == "devnet" else "node"


@contextmanager
def held(home: Path) -> Iterator[None]:
    """Hold `home` against every other process. Raises InvalidConfig when it is held, or not a data directory."""
    kind_of(home)
    try:
        descriptor = os.open(home / MARKER, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise InvalidConfig(f"{home} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise InvalidConfig(f"another zg-node is using {home}; stop it first, or choose another directory") from error
    try:
        yield
    finally:
        os.close(descriptor)


def wipe(home: Path, kind: Kind) -> None:
    """Remove `home`. Raises InvalidConfig unless it is a data directory of `kind` that nobody uses."""
    if not home.exists():
        return
    if home.is_symlink():
        raise InvalidConfig(f"{home} is a symbolic link; it is not removed")
    found = kind_of(home)
    if found != kind:
        raise InvalidConfig(f"{home} belongs to a {found}, not to a {kind}; it is not removed")
    with held(home):
        # The marker goes last, so that an interrupted removal can be repeated.
        for path in home.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != MARKER:
                path.unlink()
        (home / MARKER).unlink()
        home.rmdir()
