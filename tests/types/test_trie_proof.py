"""Proofs of accounts and storage words, as the state database makes them, and as nobody should."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.rpc.devchain import ALICE, NOBODY, DevChain
from zg_node.contracts.staking import STAKING
from zg_node.errors import InvalidMessage
from zg_node.types.hashing import EMPTY_TRIE_ROOT, keccak
from zg_node.types.trie_proof import lookup, storage_word

SLOTS = 64


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> DevChain:
    return DevChain(Path(tmp_path_factory.mktemp("chain")))


def proofs(chain: DevChain, address: bytes, slots: list[int]) -> tuple[list[bytes], list[tuple[int, list[bytes]]]]:
    """The account's proof, and (value, proof) of each slot."""
    answer = orjson.loads(chain.chain.state.proof_json(chain.chain.head.number, address, slots))
    account = [bytes.fromhex(node[2:]) for node in answer["accountProof"]]
    return account, [
        (int(entry["value"], 16), [bytes.fromhex(node[2:]) for node in entry["proof"]])
        for entry in answer["storageProof"]
    ]


def test_every_word_of_a_contract_is_proven_set_or_not(chain: DevChain) -> None:
    root = chain.chain.head.header.state_root
    account, slots = proofs(chain, STAKING, list(range(SLOTS)))
    found = [storage_word(root, STAKING, slot, account, proof) for slot, (_, proof) in enumerate(slots)]
    assert found == [value for value, _ in slots]
    assert any(found)
    assert not all(found)


def test_an_account_without_storage_and_one_that_is_not_there_have_zero_words(chain: DevChain) -> None:
    root = chain.chain.head.header.state_root
    for address in (ALICE, NOBODY):
        account, [(value, proof)] = proofs(chain, address, [7])
        assert storage_word(root, address, 7, account, proof) == value == 0


def test_a_word_is_not_proven_by_the_proof_of_another_slot_or_account(chain: DevChain) -> None:
    root = chain.chain.head.header.state_root
    account, slots = proofs(chain, STAKING, list(range(SLOTS)))
    used = next(slot for slot, (value, _) in enumerate(slots) if value)
    other = next(slot for slot, (value, _) in enumerate(slots) if not value and slots[slot][1] != slots[used][1])
    for slot, proof in ((used, slots[other][1]), (other, slots[used][1])):
        with pytest.raises(InvalidMessage):
            storage_word(root, STAKING, slot, account, proof)
    with pytest.raises(InvalidMessage):
        storage_word(root, ALICE, used, account, slots[used][1])


def test_a_proof_that_is_changed_cut_or_lengthened_shows_nothing(chain: DevChain) -> None:
    root = chain.chain.head.header.state_root
    account, slots = proofs(chain, STAKING, list(range(SLOTS)))
    slot, proof = next((slot, proof) for slot, (value, proof) in enumerate(slots) if value)
    for place, node in enumerate(proof):
        for at in range(0, len(node), 7):
            changed = node[:at] + bytes((node[at] ^ 1,)) + node[at + 1 :]
            with pytest.raises(InvalidMessage):
                storage_word(root, STAKING, slot, account, [*proof[:place], changed, *proof[place + 1 :]])
    for bad in (proof[:-1], [*proof, proof[-1]], proof[1:], [], [b"\xc0" * 2000]):
        with pytest.raises(InvalidMessage):
            storage_word(root, STAKING, slot, account, bad)
    with pytest.raises(InvalidMessage):
        storage_word(root, STAKING, slot, account[:-1], proof)


def test_an_empty_trie_has_nothing_and_needs_no_proof() -> None:
    assert lookup(EMPTY_TRIE_ROOT, b"key", []) is None
    with pytest.raises(InvalidMessage):
        lookup(keccak(b"another"), b"key", [])


def test_nodes_of_other_shapes_are_refused() -> None:
    for node in (b"\xc0", b"\x80", b"\xc3\x01\x02\x03", b"\xc2\x41\x02", b"\xc2\xc0\x02"):
        with pytest.raises(InvalidMessage):
            lookup(keccak(node), b"key", [node])
