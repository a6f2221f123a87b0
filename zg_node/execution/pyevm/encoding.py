"""Canonical bytes of what a block did: the state diff and the receipts, as the core encodes them.

    diff    = [ [account …], [code …] ]                  accounts ascending by address, codes by hash
    account = [ address, before, after, wiped, [[slot, before, after] …] ]      slots ascending
    before, after = [] when there is no account, else [ nonce, balance, code hash ]
    receipts = [ [status, cumulative gas, [[address, [topic …], data] …]] … ]

Only what changed is listed. `wiped` is always 0: an account is destroyed only in the transaction that created it
(EIP-6780), and nothing is created where there is storage, so what is destroyed had no storage before the block.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import rlp

from zg_node.execution.pyevm.accounts import AccountJournal
from zg_node.execution.pyevm.transition import Receipt
from zg_node.execution.pyevm.view import EMPTY_ACCOUNT, Account
from zg_node.types.hashing import EMPTY_CODE_HASH

Rlp: TypeAlias = "int | bytes | Sequence[Rlp]"


def encode_diff(journal: AccountJournal) -> bytes:
    """What the block changed, both ways."""
    accounts: list[Rlp] = []
    codes: dict[bytes, bytes] = {}
    for address, account, written in journal.written():
        before = journal.before(address)
        after = None if account == EMPTY_ACCOUNT else account
        slots = _changed_slots(journal, address, written) if after is not None else []
        if before == after and not slots:
            continue
        code_hash = EMPTY_CODE_HASH if after is None else after.code_hash
        if code_hash != EMPTY_CODE_HASH and (before is None or before.code_hash != code_hash):
            codes[code_hash] = journal.code(code_hash)
        accounts.append([address, _account(before), _account(after), 0, slots])
    return bytes(rlp.encode([accounts, [codes[code_hash] for code_hash in sorted(codes)]]))


def _changed_slots(journal: AccountJournal, address: bytes, written: dict[int, int]) -> list[Rlp]:
    slots: list[Rlp] = []
    for slot, after in sorted(written.items()):
        before = journal.word_before(address, slot)
        if before != after:
            slots.append([slot, before, after])
    return slots


def _account(account: Account | None) -> Rlp:
    return [] if account is None else list(account)


def encode_receipts(receipts: Iterable[Receipt]) -> bytes:
    """The receipts of a block, in order."""
    return bytes(
        rlp.encode(
            [
                [int(receipt.success), receipt.cumulative_gas_used, [list(log) for log in receipt.logs]]
                for receipt in receipts
            ]
        )
    )


def header_length(payload_bytes: int) -> int:
    """Bytes that RLP puts before a list, or a string longer than one byte, of this size."""
    return 1 if payload_bytes < 56 else 1 + (payload_bytes.bit_length() + 7) // 8
