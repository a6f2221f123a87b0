"""Validators that tests create: a BLS key and a vote key a number."""

from __future__ import annotations

from tests.contracts.staking_chain import COIN, Receipt, StakingChain, account, sign
from zg_node import _core
from zg_node.contracts import staking

DESCRIPTION = ("moniker", "identity", "https://example.org", "security@example.org", "details")


def bls_secret(number: int) -> bytes:
    return _core.bls_key_from_seed(bytes([number]) * 32)


def pubkey_of(number: int) -> bytes:
    return _core.bls_public_key(bls_secret(number))


def possession(chain: StakingChain, number: int, operator: int) -> bytes:
    """The proof that `operator` brings the key `number`."""
    genesis = chain.genesis
    message = staking.possession_message(genesis.network, genesis.chain_id(0), pubkey_of(number), account(operator))
    return _core.bls_possession_proof(bls_secret(number), message)


def create(
    chain: StakingChain, operator: int, *, key: int = 1, stake: int = 50, commission: int = 0, fee: int = 0
) -> bytes:
    """A validator without a vote key; returns its address."""
    pubkey = pubkey_of(key)
    proof = possession(chain, key, operator)
    chain.do(
        operator, "createAndInitializeValidatorIfNecessary", DESCRIPTION, commission, fee, pubkey, proof,
        value=stake * COIN,
    )  # fmt: skip
    return staking.validator_address(pubkey)


def vote_key_proof(chain: StakingChain, pubkey: bytes, voter: int) -> bytes:
    return sign(voter, staking.vote_key_digest(chain.genesis.network, chain.genesis.chain_id(0), pubkey))


def register(chain: StakingChain, operator: int, voter: int, *, key: int = 1) -> Receipt:
    """Give the validator with BLS key `key` the vote key `voter`."""
    pubkey = pubkey_of(key)
    return chain.do(operator, "registerVoteKey", pubkey, account(voter), vote_key_proof(chain, pubkey, voter))
