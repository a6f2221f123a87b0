"""A state in memory with roots from the `trie` library: the model that engines are held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import rlp
from trie.hexary import HexaryTrie

from zg_node.execution.pyevm.view import EMPTY_ACCOUNT, Account
from zg_node.types.hashing import EMPTY_TRIE_ROOT, keccak


@dataclass(frozen=True, slots=True)
class Contents:
    """One account with its storage; only slots that are not zero."""

    account: Account
    storage: Mapping[int, int] = field(default_factory=dict)


class World:
    """Accounts by value. Satisfies `View`."""

    def __init__(self) -> None:
        self.contents: dict[bytes, Contents] = {}
        self.codes: dict[bytes, bytes] = {EMPTY_ACCOUNT.code_hash: b""}

    def insert(self, address: bytes, nonce: int, balance: int, code: bytes, storage: Mapping[int, int]) -> None:
        """Put an account in place of whatever was at its address."""
        code_hash = keccak(code)
        self.codes[code_hash] = code
        slots = {slot: value for slot, value in storage.items() if value}
        self.contents[address] = Contents(Account(nonce, balance, code_hash), slots)

    def account(self, address: bytes) -> Account | None:
        contents = self.contents.get(address)
        return None if contents is None else contents.account

    def storage(self, address: bytes, slot: int) -> int:
        contents = self.contents.get(address)
        return 0 if contents is None else contents.storage.get(slot, 0)

    def code(self, code_hash: bytes) -> bytes:
        return self.codes[code_hash]

    def has_storage(self, address: bytes) -> bool:
        contents = self.contents.get(address)
        return contents is not None and bool(contents.storage)

    def apply(self, diff: bytes) -> None:
        """Go forward by one block's encoded diff; it must belong on this state and list nothing but changes."""
        accounts, codes = rlp.decode(diff)
        self.codes.update((keccak(code), code) for code in codes)
        addresses = [account[0] for account in accounts]
        assert addresses == sorted(set(addresses)), "accounts are not ascending"
        for address, before, after, wiped, slots in accounts:
            assert self.account(address) == _account(before), f"another account before at {address.hex()}"
            assert before != after or slots, f"nothing changed at {address.hex()}"
            assert wiped == b"", f"wiped storage at {address.hex()}"
            storage = dict(self.contents.get(address, Contents(EMPTY_ACCOUNT)).storage)
            for slot, value_before, value_after in (map(_integer, slot) for slot in slots):
                assert storage.get(slot, 0) == value_before != value_after, f"another word before at {slot}"
                storage[slot] = value_after
            account = _account(after)
            if account is None:
                del self.contents[address]
            else:
                assert not account.is_empty, f"an empty account at {address.hex()}"
                assert account.code_hash in self.codes, f"no code for {address.hex()}"
                self.contents[address] = Contents(account, {s: v for s, v in storage.items() if v})

    def root(self) -> bytes:
        """The Merkle Patricia root, computed from nothing."""
        leaves = {}
        for address, (account, storage) in ((a, (c.account, c.storage)) for a, c in self.contents.items()):
            words = {keccak(slot.to_bytes(32, "big")): rlp.encode(value) for slot, value in storage.items()}
            fields = [account.nonce, account.balance, trie_root(words), account.code_hash]
            leaves[keccak(address)] = rlp.encode(fields)
        return trie_root(leaves)


def trie_root(leaves: Mapping[bytes, bytes]) -> bytes:
    """The root of a trie with these keys and values."""
    if not leaves:
        return EMPTY_TRIE_ROOT
    trie = HexaryTrie({})
    for key, value in leaves.items():
        trie[key] = value
    return bytes(trie.root_hash)


def list_root(items: list[bytes]) -> bytes:
    """The root of a block's list: each item under the RLP of its index."""
    return trie_root({bytes(rlp.encode(index)): item for index, item in enumerate(items)})


def _integer(text: bytes) -> int:
    return int.from_bytes(text, "big")


def _account(fields: list[bytes]) -> Account | None:
    return Account(_integer(fields[0]), _integer(fields[1]), fields[2]) if fields else None
