"""Keys at rest: encrypted, private, durable, never overwritten; hostile files are refused."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from eth_account import Account

from zg_node.errors import InvalidConfig
from zg_node.keys import Keystore, address_of, bls_pubkey, bls_secret, checksum, decrypt, parse_secret

PASSWORD = "correct horse"
KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


@pytest.fixture
def store(tmp_path: Path) -> Keystore:
    return Keystore(tmp_path / "keys", scrypt_n=2)


def test_a_key_comes_back_with_its_password(store: Keystore) -> None:
    stored = store.add(KEY, PASSWORD)
    assert checksum(stored.address) == ADDRESS
    assert store.export(stored.address, PASSWORD) == KEY


def test_another_wallet_reads_the_file(store: Keystore) -> None:
    document = json.loads(store.add(KEY, PASSWORD).path.read_text())
    assert document["crypto"]["kdf"] == "scrypt"
    assert bytes(Account.decrypt(document, PASSWORD)) == KEY


def test_another_wallets_file_is_read() -> None:
    document = json.dumps(Account.encrypt(KEY, PASSWORD, kdf="pbkdf2", iterations=2))
    assert decrypt(document, PASSWORD, "theirs") == KEY


def test_accounts_are_listed_by_address_and_strangers_files_are_not(store: Keystore) -> None:
    assert store.list() == ()
    added = {store.create(PASSWORD).address, store.create(PASSWORD).address}
    (store.directory / "notes.txt").write_text("mine")
    assert {key.address for key in store.list()} == added


def test_files_are_private(store: Keystore) -> None:
    stored = store.create(PASSWORD)
    assert stat.S_IMODE(stored.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.directory.stat().st_mode) == 0o700
    assert [path.name for path in store.directory.iterdir()] == [stored.path.name]


def test_a_key_that_others_may_read_is_refused(store: Keystore) -> None:
    stored = store.create(PASSWORD)
    stored.path.chmod(0o644)
    with pytest.raises(InvalidConfig, match="chmod 600"):
        store.export(stored.address, PASSWORD)


def test_a_wrong_password_is_refused(store: Keystore) -> None:
    stored = store.create(PASSWORD)
    with pytest.raises(InvalidConfig, match="wrong password"):
        store.export(stored.address, "correct horsf")


def test_a_short_password_is_refused(store: Keystore) -> None:
    with pytest.raises(InvalidConfig, match="at least 8 characters"):
        store.create("short")


def test_an_account_is_never_overwritten(store: Keystore) -> None:
    before = store.add(KEY, PASSWORD).path.read_bytes()
    with pytest.raises(InvalidConfig, match="exists already"):
        store.add(KEY, "another password")
    assert [path.read_bytes() for path in store.directory.iterdir()] == [before]


def test_an_unknown_account_is_refused(store: Keystore) -> None:
    with pytest.raises(InvalidConfig, match="no account 0x0000"):
        store.export(bytes(20), PASSWORD)


@pytest.mark.parametrize(
    "parameters",
    [
        {"n": 1 << 40, "r": 8, "p": 1},
        {"n": 1 << 18, "r": 1 << 20, "p": 1},
        {"n": 2, "r": 8, "p": 1 << 20},
        {"n": 0, "r": 8, "p": 1},
        {"n": "x", "r": 8, "p": 1},
        {},
        [],
    ],
)
def test_a_keystore_that_would_exhaust_the_machine_is_refused(parameters: object) -> None:
    document = Account.encrypt(KEY, PASSWORD, kdf="pbkdf2", iterations=2)
    document["crypto"]["kdf"] = "scrypt"
    document["crypto"]["kdfparams"] = parameters
    with pytest.raises(InvalidConfig, match="hostile is not a keystore"):
        decrypt(json.dumps(document), PASSWORD, "hostile")


@pytest.mark.parametrize("document", ["", "{", "[]", "null", "{}", '{"version": 4}', '{"version": 3}', "[" * 100_000])
def test_what_is_no_keystore_is_refused(document: str) -> None:
    with pytest.raises(InvalidConfig, match="junk is not a keystore"):
        decrypt(document, PASSWORD, "junk")


@pytest.mark.parametrize("text", ["", "0x", "zz" * 32, "00" * 31, "00" * 33, "00" * 32, "ff" * 32])
def test_what_is_no_private_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfig, match="not a private key"):
        parse_secret(text, "junk")


def test_a_refused_private_key_is_not_shown() -> None:
    with pytest.raises(InvalidConfig) as failure:
        parse_secret("a1" * 33, "junk")
    assert "a1a1" not in str(failure.value)


def test_a_private_key_is_read_with_and_without_its_prefix() -> None:
    assert parse_secret(KEY.hex() + "\n", "file") == parse_secret("0x" + KEY.hex(), "file") == KEY


def test_addresses_carry_the_published_checksum() -> None:
    for text in ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"):
        assert checksum(bytes.fromhex(text[2:])) == text  # EIP-55's own examples


def test_addresses_are_those_of_the_reference_library() -> None:
    assert address_of(KEY) == bytes.fromhex(Account.from_key(KEY).address[2:])


def test_the_bls_key_that_follows_from_a_voting_key_is_pinned() -> None:
    assert bls_secret(KEY).hex() == "240dfedfb97a99566ee9e5d47f8a013214307508f45f6607672ebb3608cd1278"
    assert (
        bls_pubkey(KEY).hex()
        == "974cb93628523accb484f47ba954b4c0b5abbc52784856b8ce6c42b58958af198970a6b81ddef91c7a08deb3a5dd0e36"
    )


def test_a_file_in_the_directorys_place_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("")
    with pytest.raises(InvalidConfig, match="cannot be made: File exists"):
        Keystore(tmp_path / "keys").create(PASSWORD)


def test_handling_keys_leaves_the_recursion_limit_alone(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from zg_node.keys import Keystore; before = sys.getrecursionlimit()\n"
        "Keystore(Path(sys.argv[1]), scrypt_n=2).create('correct horse'); assert sys.getrecursionlimit() == before"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
