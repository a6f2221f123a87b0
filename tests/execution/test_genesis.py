"""Chain files: what they say becomes block 0, the same everywhere; what they must not say is named."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import rlp

from zg_node import _core
from zg_node.errors import InvalidConfig
from zg_node.execution.genesis import Genesis, load, packaged, parse
from zg_node.node import first_set
from zg_node.types.block import Header
from zg_node.types.hashing import EMPTY_CODE_HASH, keccak

DEVNET = parse(packaged("devnet"), "devnet")
ALICE = "0x" + "a1" * 20
VALIDATOR = "0x" + "c3" * 20
MINIMAL = f"""
name = "small"
chain_id = 7
fork = "osaka"
timestamp_s = 1_000
block_gas_limit = 30_000_000

[fees]
gas_per_s = 60_000_000
base_fee_floor_wei = 1
max_change_per_mille = 125

[[accounts]]
address = "{ALICE}"
balance_wei = "5"

[[validators]]
address = "{VALIDATOR}"
stake = 1
"""


def block_zero(genesis: Genesis, shard: int, directory: Path) -> Header:
    """Block 0 as the engine makes it."""
    state = _core.State(str(directory / str(shard)), 8 << 20, 10)
    _, attributes = genesis.block_zero(shard, first_set(genesis).hash())
    executed = _core.Engine(genesis.chain_id(shard)).genesis(state, attributes, genesis.diff)
    state.close()
    return Header.decode(executed.header)


# ── the development network ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_identity_of_the_development_network_is_pinned() -> None:
    assert DEVNET.network.hex() == "aa697a2b023c243c2bd868947ae3e63310520f83f1ebd9f95e5b2990a5fc5a10"
    assert first_set(DEVNET).hash().hex() == "3670245e2b4c7b517af1587ce20e6ed669e0a2144f835a25d049924ff673fe6c"
    assert keccak(DEVNET.diff).hex() == "e71e442068315923b177f50020ed33c794e6b5b37440c6ca1bacc578bcb158da"


@pytest.mark.parametrize(
    ("shard", "block_hash"),
    [
        (0, "2626d550f4b03b3d1767ff682fb4e7d2ff638a5bd1dc06f4377050cfa60ef974"),
        (1, "ab1268aff74e46a00aea751290727fe1f9a3059ed8f075cca91cddb3ac8c45eb"),
    ],
)
def test_block_zero_of_the_development_network_is_pinned(tmp_path: Path, shard: int, block_hash: str) -> None:
    header = block_zero(DEVNET, shard, tmp_path)
    assert header.hash.hex() == block_hash
    assert header.state_root.hex() == "178bf7d5260b025f7db1050a4d0a59af8e9fd5f500556c0e278db8953cab31cc"


def test_shards_differ_in_chain_id_and_randomness_only(tmp_path: Path) -> None:
    assert (DEVNET.chain_id(0), DEVNET.chain_id(3)) == (1_660_200, 1_660_203)
    root, other = (block_zero(DEVNET, shard, tmp_path) for shard in (0, 1))
    assert root.state_root == other.state_root
    assert root.extra_data == other.extra_data
    assert root.prev_randao != other.prev_randao


def test_public_keys_are_those_of_the_accounts() -> None:
    from coincurve import PrivateKey

    assert len(DEVNET.development_keys) == 10
    for address, key in DEVNET.development_keys.items():
        assert keccak(PrivateKey(key).public_key.format(compressed=False)[1:])[12:] == address
    assert DEVNET.development_vote_key is not None


# ── determinism ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_identity_does_not_depend_on_spelling() -> None:
    respelled = MINIMAL.replace("30_000_000", "30000000").replace('name = "small"', 'name    =  "small" # a comment')
    assert parse(respelled, "x").network == parse(MINIMAL, "y").network
    fees, rest = MINIMAL.split("[[accounts]]", 1)[0].split("[fees]")[1], MINIMAL
    moved = rest.replace("[fees]" + fees, "", 1) + "[fees]" + fees
    assert tomllib.loads(moved) == tomllib.loads(MINIMAL)
    assert parse(moved, "x").network == parse(MINIMAL, "y").network


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"small"', '"other"'),
        ("chain_id = 7", "chain_id = 8"),
        ("timestamp_s = 1_000", "timestamp_s = 1_001"),
        ("30_000_000", "30_000_001"),
        ("60_000_000", "60_000_001"),
        ('balance_wei = "5"', 'balance_wei = "6"'),
        ("stake = 1", "stake = 2"),
        (ALICE, "0x" + "a2" * 20),
    ],
)
def test_every_key_is_part_of_the_identity(old: str, new: str) -> None:
    assert parse(MINIMAL.replace(old, new), "x").network != parse(MINIMAL, "x").network


def test_the_allocation_is_in_order_of_addresses() -> None:
    text = MINIMAL.replace(
        "[[validators]]",
        f'[[accounts]]\naddress = "0x{"01" * 20}"\nbalance_wei = "1"\n\n'
        f'[[predeploys]]\nname = "p"\naddress = "0x{"b2" * 20}"\ncode = "0x6001"\n\n[[validators]]',
    )
    accounts, codes = rlp.decode(parse(text, "x").diff)
    assert [account[0].hex()[:2] for account in accounts] == ["01", "a1", "b2"]
    assert codes == [b"\x60\x01"]
    assert accounts[0][2] == [b"", b"\1", EMPTY_CODE_HASH]
    assert accounts[2][2] == [b"\1", b"", keccak(b"\x60\x01")]


def test_validators_are_in_order_of_addresses() -> None:
    more = f'\n[[validators]]\naddress = "0x{"01" * 20}"\nstake = 3\n'
    assert parse(MINIMAL + more, "x").validators == ((b"\1" * 20, 3), (b"\xc3" * 20, 1))


# ── refused ─────────────────────────────────────────────────────────────────────────────────────────────────────────

ACCOUNT = f'\n[[accounts]]\naddress = "{ALICE}"\nbalance_wei = "1"\n'
PREDEPLOY = f'\n[[predeploys]]\nname = "p"\naddress = "0x{"b2" * 20}"\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name = ", "is not TOML"),
        ("name = " + "[" * 5_000, "is not TOML"),
        ("", "name: Field required"),
        ("extra = 1\n" + MINIMAL, "extra: Extra inputs are not permitted"),
        (MINIMAL.replace("[fees]", "[fees]\nextra = 1"), "fees.extra: Extra inputs are not permitted"),
        (MINIMAL.replace('fork = "osaka"', 'fork = "prague"'), "fork: this version runs osaka, not 'prague'"),
        (MINIMAL.replace("chain_id = 7", "chain_id = 0"), "chain_id: "),
        (MINIMAL.replace("chain_id = 7", f"chain_id = {2**53}"), "chain_id: "),
        (MINIMAL.replace("30_000_000", "1_000"), "block_gas_limit: "),
        (MINIMAL.replace("timestamp_s = 1_000", "timestamp_s = -1"), "timestamp_s: "),
        (MINIMAL.replace("60_000_000", "1"), "fees.gas_per_s: "),
        (MINIMAL.replace("base_fee_floor_wei = 1", "base_fee_floor_wei = 0"), "fees.base_fee_floor_wei: "),
        (MINIMAL.replace("base_fee_floor_wei = 1", f"base_fee_floor_wei = {10**19}"), "fees.base_fee_floor_wei: "),
        (MINIMAL.replace('balance_wei = "5"', f'balance_wei = "{2**256}"'), f"the balance of {ALICE} exceeds 256 bits"),
        (MINIMAL.replace('balance_wei = "5"', 'balance_wei = "-5"'), "accounts.0.balance_wei: "),
        (MINIMAL.replace('balance_wei = "5"', "balance_wei = 5"), "accounts.0.balance_wei: "),
        (MINIMAL.replace(ALICE, ALICE[:-1]), "accounts.0.address: "),
        (MINIMAL + ACCOUNT, f"{ALICE} is allocated twice"),
        (MINIMAL + PREDEPLOY, "predeploy 'p' needs exactly one of code and artifact"),
        (MINIMAL + PREDEPLOY + 'code = "0x00"\nartifact = "Multicall3"\n', "needs exactly one of code and artifact"),
        (MINIMAL + PREDEPLOY + 'code = "0x0"\n', "predeploys.0.code: "),
        (MINIMAL + PREDEPLOY + 'artifact = "NoSuchThing"\n', "there is no artefact 'NoSuchThing' in this version"),
        (MINIMAL + PREDEPLOY + 'artifact = "../chains/devnet"\n', "predeploys.0.artifact: "),
        (MINIMAL.split("[[validators]]", 1)[0], "validators: a network needs at least one"),
        (MINIMAL.replace("stake = 1", "stake = 0"), "validators.0.stake: "),
    ],
)
def test_what_is_wrong_with_a_chain_file_is_named(text: str, sentence: str) -> None:
    with pytest.raises(InvalidConfig) as raised:
        parse(text, "small.toml")
    assert str(raised.value).startswith("small.toml")
    assert sentence in str(raised.value)


def test_the_minimal_file_is_fine() -> None:
    assert parse(MINIMAL, "x").development_vote_key is None


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"cannot read the genesis file .*none\.toml: No such file"):
        load(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\0")
    with pytest.raises(InvalidConfig, match=r"binary\.toml is not TOML"):
        load(tmp_path / "binary.toml")
