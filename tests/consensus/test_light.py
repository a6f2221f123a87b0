"""A light client: from the genesis set to today's, and not one step further than was proven."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.consensus.signed_chain import CHAIN_ID, EPOCH_BLOCKS, NETWORK, Epochs, SignedChain, keys, members_of
from zg_node.consensus.light import EpochProof, Trusted
from zg_node.consensus.messages import Certificate, VoteKind
from zg_node.consensus.votes import Validator
from zg_node.errors import InvalidMessage

CHAIN = SignedChain(4 * EPOCH_BLOCKS)
GENESIS = Trusted(NETWORK, CHAIN_ID, True, EPOCH_BLOCKS, 0, members_of(keys(4)))


def proof(epoch: int) -> EpochProof:
    return EpochProof.decode(CHAIN.blocks.epochs[epoch])


def at(epoch: int) -> Trusted:
    trusted = GENESIS
    for earlier in range(epoch):
        trusted = trusted.advance(proof(earlier))
    return trusted


def refused(trusted: Trusted, changed: EpochProof, why: str) -> None:
    with pytest.raises(InvalidMessage, match=why):
        trusted.advance(changed)


def test_the_sets_of_all_epochs_follow_from_the_first() -> None:
    trusted = at(4)
    assert trusted.epoch == 4
    assert trusted.members == CHAIN.epochs.of(4)
    assert trusted.last == CHAIN.stored[4 * EPOCH_BLOCKS].header


def test_any_header_of_a_known_epoch_is_checked_by_its_own_certificate() -> None:
    block = CHAIN.stored[3 * EPOCH_BLOCKS - 5]
    certificate = Certificate.decode(block.certificate)
    at(2).check_header(block.header, block.consensus, certificate)
    with pytest.raises(InvalidMessage, match="epoch 2"):
        at(1).check_header(block.header, block.consensus, certificate)
    other = CHAIN.stored[3 * EPOCH_BLOCKS - 6]
    with pytest.raises(InvalidMessage, match="does not finalise"):
        at(2).check_header(other.header, other.consensus, certificate)
    with pytest.raises(InvalidMessage, match="extraData"):
        at(2).check_header(other.header, block.consensus, certificate)


def test_no_epoch_is_passed_over() -> None:
    refused(GENESIS, proof(1), "epoch 1")
    refused(at(2), proof(0), "epoch 0")


def test_a_block_in_the_middle_of_an_epoch_does_not_end_it() -> None:
    block = CHAIN.stored[EPOCH_BLOCKS - 1]
    middle = EpochProof(
        block.header, block.consensus, Certificate.decode(block.certificate), GENESIS.members.validators
    )
    refused(GENESIS, middle, "not the last")


def test_other_validators_than_the_header_commits_to_are_refused() -> None:
    honest = proof(0)
    refused(GENESIS, replace(honest, members=(*honest.members[:-1], Validator(bytes(20), 5))), "hands over")
    heavier = tuple(Validator(v.address, v.stake + 1) for v in honest.members)
    refused(GENESIS, replace(honest, members=heavier), "hands over")


def test_a_forged_certificate_is_refused() -> None:
    honest = proof(0)
    forged = Epochs([keys(4, 9)]).certify(0, honest.consensus.view, honest.header.hash)
    refused(GENESIS, replace(honest, certificate=forged), "not signed")
    notarized = CHAIN.epochs.certify(0, honest.consensus.view, honest.header.hash, VoteKind.NOTARIZE)
    refused(GENESIS, replace(honest, certificate=notarized), "does not finalise")
    few = replace(honest.certificate, signatures=honest.certificate.signatures[1:])
    refused(GENESIS, replace(honest, certificate=few), "no quorum")


def test_a_shards_epoch_ends_where_it_imports_the_roots_end() -> None:
    shard = replace(GENESIS, is_root=False)
    honest = proof(0)
    refused(shard, honest, "not the last")
    imports = replace(honest.consensus, root_number=EPOCH_BLOCKS)
    assert shard.is_last(honest.header, imports)
    assert not shard.is_last(honest.header, replace(imports, root_number=EPOCH_BLOCKS - 1))


@pytest.mark.parametrize("cut", [1, 50, 700])
def test_a_cut_proof_does_not_parse(cut: int) -> None:
    with pytest.raises(InvalidMessage):
        EpochProof.decode(CHAIN.blocks.epochs[0][:-cut])


def test_a_proof_survives_encoding() -> None:
    assert EpochProof.decode(CHAIN.blocks.epochs[1]).encode() == CHAIN.blocks.epochs[1]
