"""py-evm's account database as a journal over a view, living through one block.

Writes go to dictionaries, what they replaced to an undo log; a checkpoint is a position in that log. Transient storage
(EIP-1153) and warmth (EIP-2929) are journalled the same way and forgotten between transactions. No trie is kept: roots
are computed by the core.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Final, NoReturn

from eth.abc import AccountDatabaseAPI, AtomicDatabaseAPI, MetaWitnessAPI
from eth.constants import BLANK_ROOT_HASH
from eth.typing import JournalDBCheckpoint
from eth_typing import Address, Hash32

from zg_node.execution.pyevm.view import EMPTY_ACCOUNT, Account, View
from zg_node.types.hashing import EMPTY_CODE_HASH, keccak

_ABSENT: Final = object()


class AccountJournal(AccountDatabaseAPI):
    """Accounts, storage and code of a block under execution."""

    def __init__(self, db: AtomicDatabaseAPI | View, state_root: Hash32 = BLANK_ROOT_HASH) -> None:
        """`db` is the view, in the place where py-evm's states pass their database."""
        assert not isinstance(db, AtomicDatabaseAPI)
        self._view: View = db
        self._accounts: dict[bytes, Account | None] = {}
        self._slots: dict[bytes, dict[int, int]] = {}
        self._codes: dict[bytes, bytes] = {}
        self._wiped: dict[bytes, bool] = {}
        """Accounts whose storage in the view no longer counts."""
        self._loaded_accounts: dict[bytes, Account | None] = {}
        self._loaded_slots: dict[tuple[bytes, int], int] = {}
        self._undo: list[tuple[MutableMapping[Any, Any], Any, Any]] = []
        self._warm: dict[bytes | tuple[bytes, int], bool] = {}
        self._transient: dict[tuple[bytes, int], bytes] = {}
        self._at_start: dict[tuple[bytes, int], int] = {}
        """Words from before the transaction, of the slots that it wrote."""

    # ── the journal ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _write(self, mapping: MutableMapping[Any, Any], key: Any, value: Any) -> None:
        self._undo.append((mapping, key, mapping.get(key, _ABSENT)))
        mapping[key] = value

    def record(self) -> JournalDBCheckpoint:
        """A checkpoint to `discard` to."""
        return JournalDBCheckpoint(len(self._undo))

    def discard(self, checkpoint: JournalDBCheckpoint) -> None:
        """Undo every write since the checkpoint, the last one first."""
        while len(self._undo) > checkpoint:
            mapping, key, value = self._undo.pop()
            if value is _ABSENT:
                del mapping[key]
            else:
                mapping[key] = value

    def commit(self, checkpoint: JournalDBCheckpoint) -> None:
        """Keep the writes; an earlier checkpoint may still undo them."""

    def lock_changes(self) -> None:
        """End a transaction: empty accounts that it touched are gone (EIP-161), nothing of it can be undone."""
        for mapping, address, _ in self._undo:
            if mapping is self._accounts and self._accounts[address] == EMPTY_ACCOUNT:
                self._accounts[address] = None
        self._undo.clear()
        self._warm.clear()
        self._transient.clear()
        self._at_start.clear()

    # ── what the block changed ──────────────────────────────────────────────────────────────────────────────────────

    def before(self, address: bytes) -> Account | None:
        """The account before the block."""
        if address not in self._loaded_accounts:
            self._loaded_accounts[address] = self._view.account(address)
        return self._loaded_accounts[address]

    def word_before(self, address: bytes, slot: int) -> int:
        """The word before the block."""
        key = (address, slot)
        if key not in self._loaded_slots:
            self._loaded_slots[key] = self._view.storage(address, slot)
        return self._loaded_slots[key]

    def written(self) -> Iterator[tuple[bytes, Account | None, dict[int, int]]]:
        """What was written, ascending by address: the account and its written slots as they are now.

        They need not differ from what was there before."""
        for address in sorted(self._accounts.keys() | self._slots.keys()):
            yield address, self._account(address), self._slots.get(address, {})

    @property
    def deployed(self) -> Mapping[bytes, bytes]:
        """Code that the block wrote, by its hash, what was undone included."""
        return self._codes

    # ── accounts ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _account(self, address: bytes) -> Account | None:
        return self._accounts[address] if address in self._accounts else self.before(address)

    def _value(self, address: bytes) -> Account:
        return self._account(address) or EMPTY_ACCOUNT

    def get_balance(self, address: Address) -> int:
        """Wei."""
        return self._value(address).balance

    def set_balance(self, address: Address, balance: int) -> None:
        """Write the balance; the account exists afterwards, if only until the transaction ends."""
        self._write(self._accounts, address, self._value(address)._replace(balance=balance))

    def get_nonce(self, address: Address) -> int:
        """The next nonce."""
        return self._value(address).nonce

    def set_nonce(self, address: Address, nonce: int) -> None:
        """Write the nonce."""
        self._write(self._accounts, address, self._value(address)._replace(nonce=nonce))

    def increment_nonce(self, address: Address) -> None:
        """Add one to the nonce."""
        self.set_nonce(address, self.get_nonce(address) + 1)

    def get_code(self, address: Address) -> bytes:
        """The account's code."""
        return self.code(self._value(address).code_hash)

    def code(self, code_hash: bytes) -> bytes:
        """Code by its hash, this block's included."""
        if code_hash == EMPTY_CODE_HASH:
            return b""
        code = self._codes.get(code_hash)
        return self._view.code(code_hash) if code is None else code

    def set_code(self, address: Address, code: bytes) -> None:
        """Write the code."""
        code_hash = keccak(code)
        self._codes[code_hash] = code
        self._write(self._accounts, address, self._value(address)._replace(code_hash=code_hash))

    def get_code_hash(self, address: Address) -> Hash32:
        """keccak of the code."""
        return Hash32(self._value(address).code_hash)

    def delete_code(self, address: Address) -> None:
        """Write the empty code."""
        self._write(self._accounts, address, self._value(address)._replace(code_hash=EMPTY_CODE_HASH))

    def account_has_code_or_nonce(self, address: Address) -> bool:
        """Whether nothing can be created here: there is code, a nonce, or storage (EIP-7610)."""
        account = self._value(address)
        return account.nonce != 0 or account.code_hash != EMPTY_CODE_HASH or self._has_storage(address)

    def account_exists(self, address: Address) -> bool:
        """Whether there is an account, an empty one included."""
        return self._account(address) is not None

    def account_is_empty(self, address: Address) -> bool:
        """EIP-161; also true where there is no account."""
        return self._value(address).is_empty

    def touch_account(self, address: Address) -> None:
        """Make an account exist."""
        self._write(self._accounts, address, self._value(address))

    def delete_account(self, address: Address) -> None:
        """Destroy an account with its storage; the transaction is at its end."""
        self.delete_storage(address)
        self._write(self._accounts, address, None)

    # ── storage ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def get_storage(self, address: Address, slot: int, from_journal: bool = True) -> int:
        """The word at `slot`; with `from_journal` off, as it was before the transaction."""
        if not from_journal and (address, slot) in self._at_start:
            return self._at_start[address, slot]
        slots = self._slots.get(address)
        if slots is not None and slot in slots:
            return slots[slot]
        return 0 if address in self._wiped else self.word_before(address, slot)

    def set_storage(self, address: Address, slot: int, value: int) -> None:
        """Write a word."""
        self._at_start.setdefault((address, slot), self.get_storage(address, slot))
        self._write(self._slots.setdefault(address, {}), slot, value)

    def delete_storage(self, address: Address) -> None:
        """Set every slot to zero."""
        if address in self._slots:
            self._write(self._slots, address, {})
        self._write(self._wiped, address, True)

    def _has_storage(self, address: bytes) -> bool:
        if any(self._slots.get(address, {}).values()):
            return True
        return address not in self._wiped and self._view.has_storage(address)

    def get_transient(self, address: bytes, slot: int) -> bytes:
        """EIP-1153: the word, empty when unset."""
        return self._transient.get((address, slot), b"")

    def set_transient(self, address: bytes, slot: int, value: bytes) -> None:
        """EIP-1153: write a word until the transaction ends."""
        self._write(self._transient, (address, slot), value)

    # ── warmth, EIP-2929 ────────────────────────────────────────────────────────────────────────────────────────────

    def is_storage_warm(self, address: Address, slot: int) -> bool:
        """Whether the transaction has used the slot."""
        return (address, slot) in self._warm

    def mark_storage_warm(self, address: Address, slot: int) -> None:
        """The transaction has used the slot."""
        if (address, slot) not in self._warm:
            self._write(self._warm, (address, slot), True)

    def is_address_warm(self, address: Address) -> bool:
        """Whether the transaction has used the account."""
        return address in self._warm

    def mark_address_warm(self, address: Address) -> None:
        """The transaction has used the account."""
        if address not in self._warm:
            self._write(self._warm, address, True)

    # ── py-evm's trie, which there is not ───────────────────────────────────────────────────────────────────────────

    @property
    def state_root(self) -> Hash32:
        """A constant: py-evm carries it through its snapshots."""
        return BLANK_ROOT_HASH

    @state_root.setter
    def state_root(self, value: Hash32) -> None:
        assert value == BLANK_ROOT_HASH

    def has_root(self, state_root: bytes) -> bool:
        """Only the constant."""
        return state_root == BLANK_ROOT_HASH

    def make_state_root(self) -> NoReturn:
        """Not here."""
        raise NotImplementedError("roots are the core's")

    def persist(self) -> MetaWitnessAPI:
        """Not here."""
        raise NotImplementedError("state is the core's to write")
