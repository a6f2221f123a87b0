"""What execution reads: accounts, storage and code as of one block."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from zg_node import _core
from zg_node.types.hashing import EMPTY_CODE_HASH

CODE_CACHE_MAX_BYTES = 32 * 1024 * 1024
"""Code that a `CodeCache` keeps."""


class Account(NamedTuple):
    """An account without its storage."""

    nonce: int
    balance: int
    """Wei."""
    code_hash: bytes

    @property
    def is_empty(self) -> bool:
        """EIP-161: no nonce, no balance, no code."""
        return self == EMPTY_ACCOUNT


EMPTY_ACCOUNT = Account(0, 0, EMPTY_CODE_HASH)


class View(Protocol):
    """Read-only state as of one block."""

    def account(self, address: bytes) -> Account | None:
        """The account, or None when it does not exist."""
        ...

    def storage(self, address: bytes, slot: int) -> int:
        """The word at `slot`; zero when unset."""
        ...

    def code(self, code_hash: bytes) -> bytes:
        """The code with this keccak hash, which some account has."""
        ...

    def has_storage(self, address: bytes) -> bool:
        """Whether any slot is set; asked only about accounts without nonce and code."""
        ...


class CodeCache:
    """Recently used code by its hash, at most `max_bytes` of it."""

    def __init__(self, max_bytes: int = CODE_CACHE_MAX_BYTES) -> None:
        self._codes: OrderedDict[bytes, bytes] = OrderedDict()
        self._max_bytes = max_bytes
        self._size_bytes = 0

    def get(self, code_hash: bytes) -> bytes | None:
        """The code when it is held."""
        code = self._codes.get(code_hash)
        if code is not None:
            self._codes.move_to_end(code_hash)
        return code

    def add(self, code_hash: bytes, code: bytes) -> None:
        """Hold `code`, at the cost of what was not used for longest."""
        if code_hash in self._codes:
            return
        self._codes[code_hash] = code
        self._size_bytes += len(code)
        while self._size_bytes > self._max_bytes:
            _, dropped = self._codes.popitem(last=False)
            self._size_bytes -= len(dropped)

    def update(self, codes: Mapping[bytes, bytes]) -> None:
        """Hold each of `codes`."""
        for code_hash, code in codes.items():
            self.add(code_hash, code)


class CoreView:
    """The core's state after the block `at`."""

    def __init__(self, state: _core.State, at: bytes, codes: CodeCache) -> None:
        self._state = state
        self._at = at
        self._codes = codes

    def account(self, address: bytes) -> Account | None:
        """See `View`. Raises Unavailable when the block is not kept."""
        found = self._state.account(self._at, address)
        return None if found is None else Account(*found)

    def storage(self, address: bytes, slot: int) -> int:
        """See `View`. Raises Unavailable when the block is not kept."""
        return self._state.storage(self._at, address, slot)

    def code(self, code_hash: bytes) -> bytes:
        """See `View`. Raises Unavailable when the block is not kept."""
        code = self._codes.get(code_hash)
        if code is None:
            code = self._state.code(self._at, code_hash)
            self._codes.add(code_hash, code)
        return code

    def has_storage(self, address: bytes) -> bool:
        """Never: an account without nonce and code has no storage, since a genesis gives it to contracts alone."""
        return False
