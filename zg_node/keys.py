"""Secret keys at rest: encrypted keystores, for accounts and for the key that a validator votes with.

    <home>/keys/<address>.json   Web3 Secret Storage, version 3, scrypt; any Ethereum wallet reads it

A validator's BLS key follows from the key that it votes with, so that one file, and one backup, keeps both.

Directories are 0700 and files 0600; a file that others may read is refused. A key is durable before its address is told
to anyone, and no operation here overwrites a key.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import orjson
from coincurve import PrivateKey

from zg_node.errors import InvalidConfig
from zg_node.types.hashing import keccak

KEYFILE_MAX_BYTES = 16 * 1024
KEYS_MAX = 10_000
SCRYPT_N = 1 << 18
"""Cost of guessing a password: about 256 MiB and half a second a guess."""
SCRYPT_MEMORY_MAX_BYTES = 1 << 30
"""Refuse a keystore that would take more to open: its parameters come with the file."""
SCRYPT_BLOCK_BYTES = 128
PBKDF2_ITERATIONS_MAX = 10_000_000
PASSWORD_MIN_CHARACTERS = 8
BLS_SEED_TAG = b"ZGBLSSEED1"
"""Before the voting key in the seed of the BLS key: what is derived for one purpose says nothing about another."""

_ADDRESS_FILE = re.compile(r"^0x([0-9a-fA-F]{40})\.json$")


@dataclass(frozen=True, slots=True)
class StoredKey:
    """An account in a keystore."""

    address: bytes
    """20 bytes."""
    path: Path


@dataclass(frozen=True, slots=True)
class Keystore:
    """A directory of encrypted accounts."""

    directory: Path
    scrypt_n: int = SCRYPT_N

    def list(self) -> tuple[StoredKey, ...]:
        """The accounts, by address. Raises InvalidConfig when the directory cannot be read."""
        if not self.directory.exists():
            return ()
        try:
            names = sorted(path.name for path in self.directory.iterdir())
        except OSError as error:
            raise InvalidConfig(f"{self.directory} cannot be read: {error.strerror}") from error
        matches = [match for name in names[:KEYS_MAX] if (match := _ADDRESS_FILE.match(name))]
        return tuple(StoredKey(bytes.fromhex(match[1]), self.directory / match[0]) for match in matches)

    def create(self, password: str) -> StoredKey:
        """A new random account. Raises InvalidConfig."""
        return self.add(secrets.token_bytes(32), password)

    def add(self, key: bytes, password: str) -> StoredKey:
        """Encrypt `key`, 32 bytes, under `password`. Raises InvalidConfig when the account is here already."""
        if len(password) < PASSWORD_MIN_CHARACTERS:
            raise InvalidConfig(f"a password needs at least {PASSWORD_MIN_CHARACTERS} characters")
        address = address_of(key)
        path = self.directory / f"{checksum(address)}.json"
        document = _eth_keyfile().create_keyfile_json(key, password.encode(), kdf="scrypt", iterations=self.scrypt_n)
        _make_private_directory(self.directory)
        _write_new_private(path, orjson.dumps(document, option=orjson.OPT_INDENT_2).decode("ascii") + "\n")
        return StoredKey(address, path)

    def export(self, address: bytes, password: str) -> bytes:
        """The account's secret key, 32 bytes. Raises InvalidConfig: no such account, wrong password, bad file."""
        path = self.directory / f"{checksum(address)}.json"
        if not path.exists():
            raise InvalidConfig(f"no account {checksum(address)} in {self.directory}: see `zg-node keys list`")
        return decrypt(_read_private(path), password, str(path))


def decrypt(document: str, password: str, source: str) -> bytes:
    """The secret key in a version 3 keystore file from anywhere; `source` names it in errors. Raises InvalidConfig."""
    eth_keyfile = _eth_keyfile()
    try:
        parsed = orjson.loads(document)
        if int(parsed["version"]) != 3:
            raise ValueError("only version 3 is supported")
        _check_cost(parsed["crypto"])
        key = bytes(eth_keyfile.decode_keyfile_json(parsed, password.encode()))
    except eth_keyfile.exceptions.EthKeyfileValueError as error:
        raise InvalidConfig(f"{source}: wrong password") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidConfig(f"{source} is not a keystore file that this program reads: {error!r}") from error
    address_of(key)
    return key


def parse_secret(text: str, source: str) -> bytes:
    """A secret key, 32 bytes, from 64 hexadecimal digits with or without 0x.

    Raises InvalidConfig, which never shows the text.
    """
    digits = text.strip().removeprefix("0x")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digits):
        raise InvalidConfig(f"{source} is not a private key: 64 hexadecimal digits, with or without 0x, are expected")
    key = bytes.fromhex(digits)
    address_of(key)
    return key


def address_of(key: bytes) -> bytes:
    """The 20-byte address of a secret key. Raises InvalidConfig when the key is not on the curve."""
    try:
        public = PrivateKey(key).public_key.format(compressed=False)
    except ValueError as error:
        raise InvalidConfig("that number is not a private key: it is zero or beyond the curve's order") from error
    return keccak(public[1:])[12:]


def bls_secret(vote_key: bytes) -> bytes:
    """The BLS12-381 secret, 32 bytes, of the validator that votes with this key."""
    from zg_node._core import bls_key_from_seed  # the commands that only read work without the core

    return bls_key_from_seed(keccak(BLS_SEED_TAG + vote_key))


def bls_pubkey(vote_key: bytes) -> bytes:
    """48 bytes: the identity of the validator that votes with this key."""
    from zg_node._core import bls_public_key

    return bls_public_key(bls_secret(vote_key))


def checksum(address: bytes) -> str:
    """An address for people: 0x and 40 digits whose case is a checksum (EIP-55)."""
    digits = address.hex()
    cases = keccak(digits.encode()).hex()
    return "0x" + "".join(d.upper() if int(c, 16) > 7 else d for d, c in zip(digits, cases, strict=False))


def _eth_keyfile() -> ModuleType:
    """The eth-keyfile library, imported when a key is handled because that takes half a second.

    What it imports in turn raises the interpreter's recursion limit a hundredfold, past what the stack holds; a node
    that parses nested input from strangers needs the limit, so it is put back.
    """
    limit = sys.getrecursionlimit()
    import eth_keyfile

    sys.setrecursionlimit(limit)
    return eth_keyfile


def _check_cost(crypto: dict[str, object]) -> None:
    """Refuse key-derivation parameters that would exhaust this machine. Raises ValueError, KeyError, TypeError."""
    kdf, parameters = crypto["kdf"], crypto["kdfparams"]
    if not isinstance(parameters, dict):
        raise TypeError("kdfparams is not an object")
    if kdf == "scrypt":
        n, r, p = (int(parameters[name]) for name in ("n", "r", "p"))
        if min(n, r, p) < 1 or SCRYPT_BLOCK_BYTES * n * r > SCRYPT_MEMORY_MAX_BYTES or p > 16:
            raise ValueError(f"scrypt with n={n}, r={r}, p={p} is too costly")
    elif kdf == "pbkdf2":
        iterations = int(parameters["c"])
        if not 1 <= iterations <= PBKDF2_ITERATIONS_MAX:
            raise ValueError(f"pbkdf2 with {iterations} iterations is too costly")
    else:
        raise ValueError(f"unknown key derivation {kdf!r}")


def _make_private_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidConfig(f"{directory} cannot be made: {error.strerror}") from error


def _write_new_private(path: Path, text: str) -> None:
    """Make `path`, 0600, whole and durable before it has its name. Raises InvalidConfig, also when it exists."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)  # unlike a rename, never replaces
        finally:
            draft.unlink()
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except FileExistsError as error:
        raise InvalidConfig(f"{path} exists already; move it away if you mean to replace it") from error
    except OSError as error:
        raise InvalidConfig(f"{path} cannot be written: {error.strerror}") from error


def _read_private(path: Path) -> str:
    """A key file's text. Raises InvalidConfig when others may read it, or it is too large to be one."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_IMODE(status.st_mode) & 0o077:
                raise InvalidConfig(f"others may read {path}: run `chmod 600 {path}`")
            data = file.read(KEYFILE_MAX_BYTES + 1)
    except OSError as error:
        raise InvalidConfig(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > KEYFILE_MAX_BYTES:
        raise InvalidConfig(f"{path} is too large for a key file")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidConfig(f"{path} is not a key file: it is not text") from error
