"""Chain files: what they say becomes block 0, the same everywhere; what they must not say is named."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import rlp

from tests.bls import pubkey48
from zg_node import _core
from zg_node.contracts import artifact, da, staking
from zg_node.epochs import ValidatorSets
from zg_node.errors import InvalidConfig
from zg_node.execution.genesis import Genesis, load, packaged, parse
from zg_node.keys import bls_pubkey
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
stake = 32
pubkey48 = "{pubkey48(1)}"
"""


def holder(signer: str, stake: int, owner: str | None = None) -> str:
    """An entry of a chain file."""
    return f'\n[[da.holders]]\nsigner = "{signer}"\nstake = {stake}\n' + (f'owner = "{owner}"\n' if owner else "")


def block_zero(genesis: Genesis, shard: int, directory: Path) -> Header:
    """Block 0 as the engine makes it."""
    state = _core.State(str(directory / str(shard)), 8 << 20, 10)
    _, attributes = genesis.block_zero(shard, ValidatorSets(genesis).certain(0).hash())
    executed = _core.Engine(genesis.chain_id(shard)).genesis(state, attributes, genesis.allocation(shard))
    state.close()
    return Header.decode(executed.header)


# ── the development network ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_identity_of_the_development_network_is_pinned() -> None:
    assert DEVNET.network.hex() == "a8ea87428cc144748407f0d8c5e9ac636d982d8355192822fe5e825fd52e92fd"
    assert (
        ValidatorSets(DEVNET).certain(0).hash().hex()
        == "3670245e2b4c7b517af1587ce20e6ed669e0a2144f835a25d049924ff673fe6c"
    )
    assert keccak(DEVNET.allocation(0)).hex() == "a7d9b01d3b6b5ae02107bfe084fe5fa9a0e2de8519f1166d2588d0590ebf07cb"
    assert keccak(DEVNET.allocation(1)).hex() == "55cf0d9b6b3f298a939957916662eed05f1807ad32188756e29817bab4de17d9"


@pytest.mark.parametrize(
    ("shard", "block_hash", "state_root"),
    [
        (
            0,
            "b55202d47039f19ef0b9028c7beb28a6e0cdd0247c108711d8a355a0c1c25533",
            "a6b441ca081d778dd9cf870407999e69d596189664a61ff8784e9a7317d7bd60",
        ),
        (
            1,
            "214e1610f369dc7b04f638696033a4b81576a0f7e2727deac935c76b83e8a58f",
            "800ba3d28cbd9875b353d8b02e4e9c3f01cd36228e752c2bb373f705db7d0cc9",
        ),
    ],
)
def test_block_zero_of_the_development_network_is_pinned(
    tmp_path: Path, shard: int, block_hash: str, state_root: str
) -> None:
    header = block_zero(DEVNET, shard, tmp_path)
    assert header.hash.hex() == block_hash
    assert header.state_root.hex() == state_root


def test_shards_but_the_root_differ_in_chain_id_and_randomness_only(tmp_path: Path) -> None:
    assert (DEVNET.chain_id(0), DEVNET.chain_id(3)) == (1_660_200, 1_660_203)
    root, one, other = (block_zero(DEVNET, shard, tmp_path) for shard in (0, 1, 2))
    assert root.state_root != one.state_root == other.state_root
    assert root.extra_data == one.extra_data == other.extra_data
    assert len({root.prev_randao, one.prev_randao, other.prev_randao}) == 3


def test_the_root_shard_has_its_contracts_beside_what_every_shard_has() -> None:
    root, shard = ({bytes(a[0]): a for a in rlp.decode(DEVNET.allocation(i))[0]} for i in (0, 1))
    own = staking.validator_address(bls_pubkey(DEVNET.development_vote_key or b""))
    assert root.keys() - shard.keys() == {staking.STAKING, own, da.DATA_AVAILABILITY}
    assert all(root[address] == shard[address] for address in shard)
    assert da.DATA_VERIFIER in shard
    balances = [int.from_bytes(root[address][2][1], "big") for address in (staking.STAKING, da.DATA_AVAILABILITY)]
    assert balances == [(32 + 1_000_000) * 10**18, 32 * 10**18], "the stake and the reserve, the deposit"


def test_a_set_of_holders_may_be_full_in_block_zero() -> None:
    text = MINIMAL + "".join(holder(f"0x{number:040x}", 32) for number in range(1, da.HOLDERS_MAX))
    assert parse(text, "x").allocation(0)


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
        ("stake = 32", "stake = 33"),
        ("stake = 32", "stake = 32\ncommission_ppm = 1"),
        (pubkey48(1), pubkey48(2)),
        ("[fees]", "[staking]\nepoch_blocks = 20\n\n[fees]"),
        ("[fees]", "[da]\nbyte_price_wei = 7\n\n[fees]"),
        ("[fees]", "[da]\nquorums = 2\n\n[fees]"),
        ("[[validators]]", f'[[da.holders]]\nsigner = "{ALICE}"\nstake = 32\n\n[[validators]]'),
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
    accounts, codes = rlp.decode(parse(text, "x").allocation(1))
    assert [account[0].hex()[:2] for account in accounts] == ["01", "a1", "b2", "da"]
    assert codes == sorted([b"\x60\x01", artifact.runtime("DataVerifier")], key=keccak)
    assert accounts[0][2] == [b"", b"\1", EMPTY_CODE_HASH]
    assert accounts[2][2] == [b"\1", b"", keccak(b"\x60\x01")]


def test_validators_are_in_order_of_addresses() -> None:
    more = f'\n[[validators]]\naddress = "0x{"01" * 20}"\nstake = 34\npubkey48 = "{pubkey48(2)}"\n'
    assert parse(MINIMAL + more, "x").validators == ((b"\1" * 20, 34), (b"\xc3" * 20, 32))


# ── refused ─────────────────────────────────────────────────────────────────────────────────────────────────────────

ACCOUNT = f'\n[[accounts]]\naddress = "{ALICE}"\nbalance_wei = "1"\n'
AGAIN = '\n[[validators]]\naddress = "0x{}"\nstake = 32\npubkey48 = "{}"\n'
STAKING = "0xea224dBB52F57752044c0C86aD50930091F561B9"
DATA = ["0x" + address.hex() for address in (da.DATA_AVAILABILITY, da.DATA_VERIFIER)]
HOLDER = holder(ALICE, 32)
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
        (MINIMAL + HOLDER + HOLDER, f"da.holders: {ALICE} is listed twice, or a validator"),
        (MINIMAL + holder(VALIDATOR, 32), f"da.holders: {VALIDATOR} is listed twice, or a validator"),
        (MINIMAL + holder(ALICE, 31), f"da.holders: {ALICE} stakes 31 coins, and da.min_stake asks for 32"),
        (MINIMAL + holder("0x12", 32), "da.holders.0.signer: "),
        (
            MINIMAL + "".join(holder(f"0x{number:040x}", 32) for number in range(1, da.HOLDERS_MAX + 1)),
            "da.holders: at most 256, the validators included, not 257",
        ),
        (MINIMAL + PREDEPLOY, "predeploy 'p' needs exactly one of code and artifact"),
        (MINIMAL + PREDEPLOY + 'code = "0x00"\nartifact = "Multicall3"\n', "needs exactly one of code and artifact"),
        (MINIMAL + PREDEPLOY + 'code = "0x0"\n', "predeploys.0.code: "),
        (MINIMAL + PREDEPLOY + 'artifact = "NoSuchThing"\n', "there is no artefact 'NoSuchThing' in this version"),
        (MINIMAL + PREDEPLOY + 'artifact = "../chains/devnet"\n', "predeploys.0.artifact: "),
        (MINIMAL.split("[[validators]]", 1)[0], "validators: a network needs at least one"),
        (MINIMAL.replace("stake = 32", "stake = 0"), "validators.0.stake: "),
        (MINIMAL.replace("stake = 32", "stake = 31"), "stakes 31 coins, and staking.min_self_stake asks for 32"),
        (MINIMAL + "\n[staking]\nmin_self_stake = 33\n", "stakes 32 coins, and staking.min_self_stake asks for 33"),
        (MINIMAL.replace("pubkey48", "pubkey49"), "validators.0.pubkey48: Field required"),
        (MINIMAL + AGAIN.format("02" * 20, pubkey48(2)[:-2]), "validators.1.pubkey48: "),
        (MINIMAL + AGAIN.format("02" * 20, "0x" + "05" * 48), f"validators: 0x{'05' * 48} is no BLS public key"),
        (MINIMAL + AGAIN.format("02" * 20, "0xc0" + "00" * 47), f"validators: 0xc0{'00' * 47} is no BLS public key"),
        (MINIMAL + AGAIN.format("02" * 20, pubkey48(1)), "validators: two have the same pubkey48"),
        (MINIMAL + AGAIN.format("c3" * 20, pubkey48(2)), "validators: two have the same address"),
        (MINIMAL.replace("stake = 32", "stake = 32\ncommission_ppm = 1000001"), "validators.0.commission_ppm: "),
        (MINIMAL + ACCOUNT.replace(ALICE, STAKING), "is the staking contract's"),
        (MINIMAL + ACCOUNT.replace(ALICE, DATA[0]), "is the contract of data availability's"),
        (MINIMAL + PREDEPLOY.replace("0x" + "b2" * 20, DATA[1]), "is the verifier of data availability's"),
        (MINIMAL + "[da]\nlife_epochs = 0", "da.life_epochs: "),
        (MINIMAL + "[da]\nslash_ppm = 1000001", "da.slash_ppm: "),
        (MINIMAL + "[da]\nmin_stake = 0", "da.min_stake: "),
        (MINIMAL + "[da]\nextra = 2", "da.extra: Extra inputs are not permitted"),
        (MINIMAL + "[staking]\nunbonding_epochs = 2", "staking.unbonding_epochs: "),
        (MINIMAL + "[staking]\nextra = 2", "staking.extra: Extra inputs are not permitted"),
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
