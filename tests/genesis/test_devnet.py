"""The development network's chain file says what the documents promise."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from zg_node.types.hashing import keccak

DATA = Path(__file__).resolve().parents[2] / "zg_node" / "genesis_data"
MNEMONIC = "test test test test test test test test test test test junk"


@pytest.fixture(scope="module")
def chain() -> dict[str, Any]:
    return tomllib.loads((DATA / "chains" / "devnet.toml").read_text())


def runtime(predeploy: dict[str, Any]) -> bytes:
    if "code" in predeploy:
        return bytes.fromhex(predeploy["code"].removeprefix("0x"))
    artifact = json.loads((DATA / "artifacts" / f"{predeploy['artifact']}.json").read_text())
    return bytes.fromhex(artifact["runtime"].removeprefix("0x"))


def test_accounts_are_those_of_the_well_known_mnemonic(chain: dict[str, Any]) -> None:
    Account.enable_unaudited_hdwallet_features()
    *known, voter = chain["accounts"]
    assert len(known) == 10
    assert voter.keys() == {"address", "balance_wei"}, "nobody signs for it but the node"
    assert voter["address"] == chain["validators"][0]["address"]
    for index, account in enumerate(known):
        derived = Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")
        assert account["address"] == derived.address
        assert account["private_key"] == derived.key.to_0x_hex()
        assert int(account["balance_wei"]) == 10_000 * 10**18


def test_each_predeploy_has_one_source_of_code_and_nonce_1(chain: dict[str, Any]) -> None:
    for predeploy in chain["predeploys"]:
        assert ("code" in predeploy) != ("artifact" in predeploy)
        assert predeploy["nonce"] == 1
    assert len({predeploy["address"] for predeploy in chain["predeploys"]}) == 4


def test_predeployed_bytecode_is_the_published_one(chain: dict[str, Any]) -> None:
    """Lengths and code hashes as the EIPs and the public chains have them."""
    codes = {predeploy["name"]: runtime(predeploy) for predeploy in chain["predeploys"]}
    assert {name: len(codes[name]) for name in codes if name != "Multicall3"} == {
        "CREATE2 factory": 69,
        "EIP-2935 block hashes": 83,
        "EIP-4788 parent beacon roots": 97,
    }
    assert keccak(codes["CREATE2 factory"]).hex() == "2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989"
    assert keccak(codes["EIP-4788 parent beacon roots"]).hex() == (
        "f57acd40259872606d76197ef052f3d35588dadf919ee1f0e3cb9b62d3f4b02c"
    )
    assert keccak(codes["EIP-2935 block hashes"]).hex() == (
        "6e49e66782037c0555897870e29fa5e552daf4719552131a0abce779daec0a5d"
    )


def test_predeployed_artifacts_have_no_immutables(chain: dict[str, Any]) -> None:
    """A creation code ends with the runtime code that it returns, unless it fills in immutables."""
    for predeploy in chain["predeploys"]:
        if "artifact" in predeploy:
            artifact = json.loads((DATA / "artifacts" / f"{predeploy['artifact']}.json").read_text())
            assert artifact["bytecode"].endswith(artifact["runtime"].removeprefix("0x"))
            assert "immutable" not in (DATA.parents[1] / "genesis" / artifact["source"]).read_text()
