"""Validators: created by who holds the BLS key, voting by who holds the vote key, edited by who operates them."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from eth_typing import BLSPubkey
from py_ecc.bls.ciphersuites import G2ProofOfPossession
from py_ecc.bls.g2_primitives import pubkey_to_G1, signature_to_G2
from py_ecc.fields import optimized_bls12_381_FQ
from py_ecc.optimized_bls12_381.optimized_curve import normalize

from tests.contracts.staking_chain import COIN, VOTERS, StakingChain, account, genesis_validator, sign
from tests.contracts.validators import (
    DESCRIPTION,
    bls_secret,
    create,
    possession,
    pubkey_of,
    register,
    vote_key_proof,
)
from zg_node import _core
from zg_node.contracts import staking

ALICE, BOB = 0, 1
CREATE = "createAndInitializeValidatorIfNecessary"


def element(value: Any) -> bytes:
    return int(value).to_bytes(64, "big")


# ── creation ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_validator_is_created_at_the_address_of_its_key(chain: StakingChain) -> None:
    validator = create(chain, ALICE, stake=40, commission=50_000)
    assert chain.read("computeValidatorAddress", pubkey_of(1)) == chain.read("getValidator", pubkey_of(1))
    assert chain.read("getValidator", pubkey_of(1)) == "0x" + validator.hex()
    assert chain.read("getValidator", pubkey_of(2)) == "0x" + bytes(20).hex()
    info = chain.info(validator)
    assert (info.operator, info.pubkey, info.self_stake) == (account(ALICE), pubkey_of(1), 40 * COIN)
    assert (info.voter, info.candidate) == (bytes(20), False)
    assert chain.read("descriptionOf", validator) == DESCRIPTION
    assert chain.read("validatorCount") == 5
    assert chain.read("validatorsFrom", 4, 10) == ("0x" + validator.hex(),)
    assert chain.read("validatorsFrom", 5, 2**256 - 1) == ()


def test_a_key_makes_one_validator(chain: StakingChain) -> None:
    create(chain, ALICE)
    again = (DESCRIPTION, 0, 0, pubkey_of(1), possession(chain, 1, ALICE))
    assert chain.refusal(ALICE, CREATE, *again, value=50 * COIN) == "ValidatorExists()"


def test_the_proof_is_the_ciphersuites_by_another_implementation(chain: StakingChain) -> None:
    secret = int.from_bytes(bls_secret(1), "big")
    assert G2ProofOfPossession.SkToPk(secret) == pubkey_of(1)
    message = staking.possession_message(chain.genesis.network, 7, pubkey_of(1), account(ALICE))
    tag = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
    assert G2ProofOfPossession.xmd_hash_function is hashlib.sha256
    compressed = G2ProofOfPossession._CoreSign(secret, message, tag)
    (x, y), (_, key_y) = normalize(signature_to_G2(compressed)), normalize(pubkey_to_G1(BLSPubkey(pubkey_of(1))))
    proof = element(key_y) + b"".join(element(part) for point in (x, y) for part in point.coeffs)
    assert proof == possession(chain, 1, ALICE)


def test_nobody_takes_a_key_out_of_a_pending_transaction(chain: StakingChain) -> None:
    stolen = (DESCRIPTION, 0, 0, pubkey_of(1), possession(chain, 1, ALICE))
    assert chain.refusal(BOB, CREATE, *stolen, value=50 * COIN) == "BadPossessionProof()"


def test_a_key_that_is_none_is_refused(chain: StakingChain) -> None:
    good, proof = pubkey_of(1), possession(chain, 1, ALICE)
    y = int.from_bytes(proof[:64], "big")
    other_sign = bytes([good[0] ^ 0x20]) + good[1:]
    negated = element(optimized_bls12_381_FQ.field_modulus - y) + proof[64:]
    cases: list[tuple[bytes, bytes, str]] = [
        (good[:47], proof, "BadPubkey()"),
        (good + b"\0", proof, "BadPubkey()"),
        (other_sign, proof, "BadPubkey()"),
        (good, negated, "BadPubkey()"),
        (other_sign, negated, "BadPossessionProof()"),
        (b"\x80" + bytes(47), bytes(320), "BadPubkey()"),  # infinity, dressed as a point
        (b"\xc0" + bytes(47), bytes(320), "BadPubkey()"),
        (bytes([good[0] & 0x7F]) + good[1:], proof, "BadPubkey()"),
        (bytes(28) + account(9), proof, "BadPubkey()"),
        (good, proof[:-1], "BadPossessionProof()"),
        (good, b"", "BadPossessionProof()"),
        (good, proof[:64] + bytes(256), "BadPossessionProof()"),
        (good, proof[:64] + b"\xff" * 256, "BadPossessionProof()"),
        (good, possession(chain, 2, ALICE)[:64] + proof[64:], "Bad"),
        (pubkey_of(2), possession(chain, 2, ALICE)[:64] + proof[64:], "BadPossessionProof()"),
    ]
    for pubkey, evidence, why in cases:
        refusal = chain.refusal(ALICE, CREATE, DESCRIPTION, 0, 0, pubkey, evidence, value=50 * COIN)
        assert refusal.startswith(why), (pubkey.hex(), refusal)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"value": 32 * COIN - 1}, f"TooLittleStake({32 * COIN - 1}, {32 * COIN})"),
        ({"commission": 1_000_001}, "CommissionTooHigh(1000001, 1000000)"),
        ({"fee": 10**9 + 1}, "FeeTooHigh()"),
        ({"fee": 2**96 - 1}, "FeeTooHigh()"),
        ({"description": ("m" * 71, "", "", "", "")}, "TooLong(moniker)"),
        ({"description": ("", "i" * 3001, "", "", "")}, "TooLong(identity)"),
        ({"description": ("", "", "w" * 141, "", "")}, "TooLong(website)"),
        ({"description": ("", "", "", "s" * 141, "")}, "TooLong(securityContact)"),
        ({"description": ("", "", "", "", "d" * 281)}, "TooLong(details)"),
    ],
)
def test_what_is_beyond_the_limits_is_refused_by_name(chain: StakingChain, change: dict[str, Any], why: str) -> None:
    given = {"value": 50 * COIN, "commission": 0, "fee": 0, "description": DESCRIPTION, **change}
    arguments = (given["description"], given["commission"], given["fee"], pubkey_of(1), possession(chain, 1, ALICE))
    assert chain.refusal(ALICE, CREATE, *arguments, value=given["value"]) == why


# ── vote keys ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_vote_key_is_registered_with_its_own_signature(chain: StakingChain) -> None:
    validator = create(chain, ALICE)
    receipt = register(chain, ALICE, 300)
    assert receipt.events == (
        ("VoteKeyRegistered", {"validator": "0x" + validator.hex(), "voter": "0x" + account(300).hex()}),
    )
    assert (chain.info(validator).voter, chain.info(validator).candidate) == (account(300), True)
    assert chain.read("servedBy", account(300)) == "0x" + validator.hex()


def test_a_vote_key_is_not_registered_without_it(chain: StakingChain) -> None:
    create(chain, ALICE)
    create(chain, ALICE, key=2)
    mine = vote_key_proof(chain, pubkey_of(1), 300)
    name = "registerVoteKey"
    assert chain.refusal(BOB, name, pubkey_of(1), account(300), mine) == "NotOperator()"
    assert chain.refusal(ALICE, name, pubkey_of(3), account(300), mine) == "UnknownValidator()"
    assert chain.refusal(ALICE, name, pubkey_of(2), account(300), mine) == "BadVoteKeyProof()"
    assert chain.refusal(ALICE, name, pubkey_of(1), account(301), mine) == "BadVoteKeyProof()"
    assert chain.refusal(ALICE, name, pubkey_of(1), bytes(20), bytes(65)) == "BadVoteKeyProof()"
    elsewhere = sign(300, staking.vote_key_digest(chain.genesis.network, 8, pubkey_of(1)))
    assert chain.refusal(ALICE, name, pubkey_of(1), account(300), elsewhere) == "BadVoteKeyProof()"


def test_a_vote_key_serves_one_validator_for_good(chain: StakingChain) -> None:
    create(chain, ALICE)
    create(chain, BOB, key=2)
    register(chain, ALICE, 300)
    register(chain, ALICE, 301)
    for taken in (300, 301, VOTERS[0]):
        proof = vote_key_proof(chain, pubkey_of(2), taken)
        assert chain.refusal(BOB, "registerVoteKey", pubkey_of(2), account(taken), proof) == "VoterTaken()"
    register(chain, ALICE, 300)  # its own old one


# ── editing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_commission_rises_in_steps_and_from_the_next_epoch_on(chain: StakingChain) -> None:
    first, operator = genesis_validator(0), 100
    assert chain.refusal(ALICE, "editValidator", first, DESCRIPTION, 0) == "NotOperator()"
    assert chain.refusal(operator, "editValidator", first, DESCRIPTION, 150_001) == "CommissionTooHigh(150001, 150000)"
    chain.do(operator, "editValidator", first, DESCRIPTION, 150_000)
    chain.do(operator, "editValidator", first, DESCRIPTION, 150_000)
    assert chain.info(first).commission_ppm == 100_000
    chain.end_epoch()
    assert chain.info(first).commission_ppm == 150_000
    owed = chain.info(first).commission_owed
    chain.end_epoch()
    assert chain.info(first).commission_owed == owed + owed * 3 // 2, "the first epoch still paid the old rate"
    assert chain.read("descriptionOf", first) == DESCRIPTION


def test_the_core_and_the_contract_agree_on_messages(chain: StakingChain) -> None:
    network, pubkey = chain.genesis.network, pubkey_of(1)
    assert chain.read("voteKeyDigest", pubkey) == staking.vote_key_digest(network, 7, pubkey)
    message = staking.possession_message(network, 7, pubkey, account(ALICE))
    assert chain.read("possessionMessage", pubkey, account(ALICE)) == message


@pytest.mark.parametrize("secret", [b"", bytes(32), b"\xff" * 32, b"\1" * 31])
def test_a_number_that_is_no_bls_secret_is_refused(secret: bytes) -> None:
    with pytest.raises(ValueError, match="no BLS secret"):
        _core.bls_public_key(secret)
    with pytest.raises(ValueError, match="a seed has at least 32 bytes"):
        _core.bls_key_from_seed(bytes(31))


@pytest.mark.parametrize(
    "key",
    [
        b"",
        bytes(48),
        b"\xc0" + bytes(47),
        pubkey_of(1)[:-1],
        pubkey_of(1) + b"\0",
        b"\xff" * 48,
        b"\x80" + bytes(46) + b"\4",
    ],
    ids=["nothing", "zeros", "infinity", "too short", "too long", "beyond the field", "outside the subgroup"],
)
def test_what_is_no_point_of_the_group_is_no_bls_key(key: bytes) -> None:
    assert _core.bls_is_public_key(pubkey_of(1))
    assert not _core.bls_is_public_key(key)
