"""The journal under py-evm, against a model that copies everything at each checkpoint."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from eth.typing import JournalDBCheckpoint
from eth_typing import Address
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.conformance.world import World
from zg_node.execution.pyevm.accounts import AccountJournal
from zg_node.execution.pyevm.encoding import encode_diff
from zg_node.execution.pyevm.view import CodeCache
from zg_node.types.hashing import keccak

ADDRESSES = tuple(Address(bytes([index]) * 20) for index in range(1, 5))
"""Two contracts, an account, and nobody."""

addresses = st.sampled_from(ADDRESSES)
slots = st.integers(0, 2)
values = st.integers(0, 2)


@dataclass
class Model:
    """An account as the journal should show it."""

    nonce: int = 0
    balance: int = 0
    code: bytes = b""
    storage: dict[int, int] = field(default_factory=dict)
    exists: bool = True


def world() -> World:
    """The state before the block."""
    state = World()
    state.insert(ADDRESSES[0], 1, 5, b"\x00", {0: 1, 1: 2})
    state.insert(ADDRESSES[1], 1, 0, b"\x01", {2: 2})
    state.insert(ADDRESSES[2], 3, 9, b"", {})
    return state


class Journalling(RuleBasedStateMachine):
    """Random writes, checkpoints and transactions on the journal and on the model."""

    def __init__(self) -> None:
        super().__init__()
        self.journal = AccountJournal(world())
        self.model = {
            ADDRESSES[0]: Model(1, 5, b"\x00", {0: 1, 1: 2}),
            ADDRESSES[1]: Model(1, 0, b"\x01", {2: 2}),
            ADDRESSES[2]: Model(3, 9),
            ADDRESSES[3]: Model(exists=False),
        }
        self.at_start = copy.deepcopy(self.model)
        self.checkpoints: list[tuple[JournalDBCheckpoint, dict[Address, Model]]] = []

    @rule(address=addresses, balance=values)
    def set_balance(self, address: Address, balance: int) -> None:
        self.journal.set_balance(address, balance)
        self.model[address].balance, self.model[address].exists = balance, True

    @rule(address=addresses, nonce=values)
    def set_nonce(self, address: Address, nonce: int) -> None:
        self.journal.set_nonce(address, nonce)
        self.model[address].nonce, self.model[address].exists = nonce, True

    @rule(address=addresses, code=st.sampled_from([b"", b"\x01", b"\x02"]))
    def set_code(self, address: Address, code: bytes) -> None:
        self.journal.set_code(address, code)
        self.model[address].code, self.model[address].exists = code, True

    @rule(address=addresses, slot=slots, value=values)
    def set_storage(self, address: Address, slot: int, value: int) -> None:
        self.journal.set_storage(address, slot, value)
        self.model[address].storage[slot] = value

    @rule(address=st.sampled_from(ADDRESSES[2:]))
    def destroy(self, address: Address) -> None:
        """As machines do it: when the transaction ends."""
        self.journal.delete_account(address)
        self.model[address] = Model(exists=False)
        self.end_transaction()

    @rule()
    def checkpoint(self) -> None:
        self.checkpoints.append((self.journal.record(), copy.deepcopy(self.model)))

    @rule(data=st.data())
    def discard(self, data: st.DataObject) -> None:
        if self.checkpoints:
            index = data.draw(st.integers(0, len(self.checkpoints) - 1))
            checkpoint, self.model = self.checkpoints[index]
            del self.checkpoints[index:]
            self.journal.discard(checkpoint)

    @rule()
    def end_transaction(self) -> None:
        self.journal.lock_changes()
        for model in self.model.values():
            model.exists &= bool(model.nonce or model.balance or model.code)
        self.at_start = copy.deepcopy(self.model)
        self.checkpoints.clear()

    @invariant()
    def the_journal_shows_the_model(self) -> None:
        for address, model in self.model.items():
            assert self.journal.account_exists(address) == model.exists
            shown = (self.journal.get_nonce(address), self.journal.get_balance(address), self.journal.get_code(address))
            assert shown == (model.nonce, model.balance, model.code)
            assert self.journal.get_code_hash(address) == keccak(model.code)
            for slot in range(3):
                assert self.journal.get_storage(address, slot) == model.storage.get(slot, 0)
                before = self.at_start[address].storage.get(slot, 0)
                assert self.journal.get_storage(address, slot, from_journal=False) == before

    def teardown(self) -> None:
        """The diff leads from the world before to the model, but for storage where there is no account."""
        self.end_transaction()
        after = world()
        after.apply(encode_diff(self.journal))
        for address, model in self.model.items():
            contents = after.contents.get(address)
            assert (contents is not None) == model.exists
            if contents is not None:
                storage = {slot: value for slot, value in model.storage.items() if value}
                assert (contents.account[:2], contents.storage) == ((model.nonce, model.balance), storage)


Journalling.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_the_journal_behaves_like_a_model_that_copies_everything = Journalling.TestCase


def test_warmth_and_transient_storage_last_for_one_transaction_and_can_be_undone() -> None:
    journal = AccountJournal(world())
    address = ADDRESSES[0]
    journal.mark_address_warm(address)
    checkpoint = journal.record()
    journal.mark_storage_warm(address, 1)
    journal.set_transient(address, 1, b"\x07")
    journal.discard(checkpoint)
    assert journal.is_address_warm(address)
    assert not journal.is_storage_warm(address, 1)
    assert journal.get_transient(address, 1) == b""
    journal.set_transient(address, 1, b"\x07")
    journal.lock_changes()
    assert not journal.is_address_warm(address)
    assert journal.get_transient(address, 1) == b""


def test_an_empty_account_that_was_touched_is_gone_after_the_transaction() -> None:
    journal = AccountJournal(world())
    journal.touch_account(ADDRESSES[3])
    assert journal.account_exists(ADDRESSES[3])
    journal.lock_changes()
    assert not journal.account_exists(ADDRESSES[3])
    assert world().root() == _after(journal).root()


def test_nothing_is_created_where_there_is_storage() -> None:
    state = world()
    state.insert(ADDRESSES[3], 0, 1, b"", {5: 5})
    journal = AccountJournal(state)
    assert journal.account_has_code_or_nonce(ADDRESSES[3])
    journal.delete_storage(ADDRESSES[3])
    assert not journal.account_has_code_or_nonce(ADDRESSES[3])


def test_the_code_cache_drops_what_was_not_used_for_longest() -> None:
    cache = CodeCache(max_bytes=250)
    codes = {bytes([index]) * 32: bytes([index]) * 100 for index in range(4)}
    used, *others = codes
    cache.add(used, codes[used])
    for code_hash in others:
        cache.update({code_hash: codes[code_hash]})
        assert cache.get(used) == codes[used]
    assert [cache.get(code_hash) for code_hash in others] == [None, None, codes[others[-1]]]


def _after(journal: AccountJournal) -> World:
    state = world()
    state.apply(encode_diff(journal))
    return state
