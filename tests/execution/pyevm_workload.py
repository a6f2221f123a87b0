"""Seeded random transactions that reach into the corners where engines differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import rlp
from eth.vm import opcode_values as op
from eth.vm.forks.cancun.constants import BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CONTRACT_CODE
from eth.vm.forks.prague.constants import HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CONTRACT_CODE
from eth_account import Account as Signer
from eth_account.signers.local import LocalAccount

from tests.execution import pyevm_contracts as contracts
from tests.execution.pyevm_contracts import Part, assemble, initcode, push
from zg_node.types.block import Attributes
from zg_node.types.hashing import EMPTY_CODE_HASH, keccak

CHAIN_ID = 1_660_200
GAS_LIMIT = 30_000_000
GWEI = 10**9
ETHER = 10**18
MAX_FEE = 10 * GWEI
INVALID = 0xFE
"""EIP-141: the opcode that never is one."""

KNOWN: Mapping[str, bytes] = {
    "store": contracts.STORE,
    "revert": contracts.STORE_AND_REVERT,
    "burn": contracts.BURN,
    "forward": contracts.FORWARD,
    "delegate": contracts.DELEGATE,
    "selfdestruct": contracts.SELFDESTRUCT,
    "probe": contracts.PROBE,
    "factory": contracts.FACTORY,
}
AT = {name: bytes(18) + bytes([0xC0, index]) for index, name in enumerate(KNOWN)}
"""Where a contract of `KNOWN` is."""

SYSTEM = {BEACON_ROOTS_ADDRESS: BEACON_ROOTS_CONTRACT_CODE, HISTORY_STORAGE_ADDRESS: HISTORY_STORAGE_CONTRACT_CODE}

NUMBERS = (0, 1, 2, 3, 31, 32, 255, 256, 1 << 160, 1 << 255, (1 << 256) - 1, (1 << 256) - 2)

OPERATIONS: Sequence[tuple[int, str]] = (
    *((code, "nn") for code in (op.ADD, op.MUL, op.SUB, op.DIV, op.SDIV, op.MOD, op.SMOD, op.EXP, op.SIGNEXTEND)),
    *((code, "nn") for code in (op.LT, op.GT, op.SLT, op.SGT, op.EQ, op.AND, op.OR, op.XOR, op.BYTE)),
    *((code, "nn") for code in (op.SHL, op.SHR, op.SAR)),
    *((code, "nnn") for code in (op.ADDMOD, op.MULMOD)),
    *((code, "n") for code in (op.ISZERO, op.NOT, op.CALLDATALOAD, op.BLOCKHASH)),
    *((code, "s") for code in (op.SLOAD, op.TLOAD, op.SLOAD)),
    *((code, "sn") for code in (op.SSTORE, op.TSTORE, op.SSTORE, op.SSTORE)),
    *((code, "a") for code in (op.BALANCE, op.EXTCODESIZE, op.EXTCODEHASH)),
    *(
        (code, "")
        for code in (op.ADDRESS, op.CALLER, op.CALLVALUE, op.GAS, op.MSIZE, op.PC, op.SELFBALANCE, op.CODESIZE)
    ),
    *((code, "") for code in (op.RETURNDATASIZE, op.CALLDATASIZE, op.TIMESTAMP, op.BLOBBASEFEE, op.DIFFICULTY)),
    *((code, "mm") for code in (op.SHA3, op.LOG0)),
    *((code, "mmm") for code in (op.CALLDATACOPY, op.CODECOPY, op.MCOPY)),
    *(
        (op.EXTCODECOPY, "ammm"),
        (op.MLOAD, "m"),
        (op.MSTORE, "mn"),
        (op.MSTORE8, "mn"),
        (op.LOG1, "mmn"),
        (op.LOG4, "mmnnnn"),
    ),
    *((code, "gavmmmm") for code in (op.CALL, op.CALLCODE)),
    *((code, "gammmm") for code in (op.STATICCALL, op.DELEGATECALL)),
    *((op.CREATE, "vmm"), (op.CREATE2, "vmmn"), (op.BLOBHASH, "n")),
)
"""Opcodes with what their operands are, the top of the stack first: a number, slot, account, memory, gas, or value."""


def transaction_fields(nonce: int, to: bytes | None, gas: int, value: int = 0, data: bytes = b"") -> dict[str, Any]:
    """What transactions of every type have."""
    fields: dict[str, Any] = {"nonce": nonce, "gas": gas, "value": value, "data": data, "chainId": CHAIN_ID}
    return fields if to is None else {**fields, "to": to}


def genesis_diff(accounts: Mapping[bytes, tuple[int, int, bytes]]) -> bytes:
    """An allocation of {address: (nonce, balance, code)} as a state diff on nothing."""
    entries = []
    codes = {}
    for address, (nonce, balance, code) in sorted(accounts.items()):
        code_hash = keccak(code) if code else EMPTY_CODE_HASH
        entries.append([address, [], [nonce, balance, code_hash], 0, []])
        if code:
            codes[code_hash] = code
    return bytes(rlp.encode([entries, [codes[code_hash] for code_hash in sorted(codes)]]))


def address_of(signer: LocalAccount) -> bytes:
    """20 bytes."""
    return bytes.fromhex(signer.address[2:])


class Workload:
    """Transactions and headers from one seed."""

    def __init__(self, seed: int, contracts_random: int = 8) -> None:
        self.random = Random(seed)
        self.senders = [self._signer(seed, index) for index in range(6)]
        self.authorities = [self._signer(seed, 100 + index) for index in range(3)]
        addresses = [bytes(18) + bytes([0xCC, index]) for index in range(contracts_random)]
        self.targets = [*AT.values(), *addresses]
        self._random_contracts = {address: self.random_code() for address in addresses}

    @staticmethod
    def _signer(seed: int, index: int) -> LocalAccount:
        signer: LocalAccount = Signer.from_key(keccak(rlp.encode([seed, index])))
        return signer

    def genesis(self) -> bytes:
        """The allocation: funded senders, the system contracts, `KNOWN`, and some random code."""
        accounts = {address_of(sender): (0, 1000 * ETHER, b"") for sender in self.senders}
        codes = {**self._random_contracts}
        codes.update((bytes(address), code) for address, code in SYSTEM.items())
        codes.update((AT[name], code) for name, code in KNOWN.items())
        accounts.update((address, (1, 5, code)) for address, code in codes.items())
        return genesis_diff(accounts)

    def attributes(self, number: int, timestamp: int) -> Attributes:
        """A header; the coinbase is at times an account that the block also uses."""
        coinbase = self.random.choice([bytes([0xBE]) * 20, self.random.randbytes(20), self._an_account()])
        return Attributes(
            number=number,
            timestamp=timestamp,
            coinbase=coinbase,
            gas_limit=GAS_LIMIT,
            base_fee=self.random.randint(1, 3) * GWEI,
            prev_randao=self.random.randbytes(32),
            extra_data=self.random.randbytes(32),
            parent_beacon_root=self.random.randbytes(32),
        )

    def transactions(self, nonces: Mapping[bytes, int], count: int) -> list[bytes]:
        """`count` signed transactions of the senders, whose next nonces are given (the authorities' too)."""
        due = dict(nonces)
        raws = []
        for _ in range(count):
            sender = self.random.choice(self.senders)
            address = address_of(sender)
            fields = self._content(due[address], address)
            due[address] += 1
            raws.append(bytes(sender.sign_transaction(self._priced(fields, due, sender)).raw_transaction))
        return raws

    # ── content ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _content(self, nonce: int, sender: bytes) -> dict[str, Any]:
        """What the transaction does."""
        random = self.random
        data = b"".join(self._word() for _ in range(random.randint(0, 3)))
        kind = random.randrange(10)
        if kind == 0:
            return transaction_fields(nonce, self._an_account(), 50_000, random.choice([0, 1, ETHER]))
        if kind == 1:
            slot, value = random.randrange(4), random.choice([0, 0, 1, random.getrandbits(256)])
            return transaction_fields(nonce, AT["store"], 100_000, data=_words(slot, value))
        if kind == 2:
            return transaction_fields(nonce, AT[random.choice(["revert", "burn"])], 80_000, data=_words(1, 2))
        if kind == 3:
            precompile = bytes(19) + bytes([random.randint(1, 0x11)])
            given = b"".join(self._word() for _ in range(random.randint(1, 8)))
            return transaction_fields(nonce, AT["forward"], 600_000, 1, precompile.rjust(32, b"\0") + given)
        if kind == 4:
            runtime = random.choice([contracts.STORE, self.random_code(), b"\xef\x00"])
            created = initcode(runtime, push(random.randrange(4)), push(9), op.SSTORE)
            return transaction_fields(nonce, None, random.choice([60_000, 400_000]), random.choice([0, 7]), created)
        if kind == 5:
            code = random.choice([contracts.MORTAL_INITCODE, contracts.STILLBORN_INITCODE, self.random_code()])
            target = random.choice([AT["factory"], AT["factory"], sender])
            data = _words(random.randrange(2)) + code
            return transaction_fields(nonce, target, 500_000, random.choice([0, 3]), data)
        if kind == 6:
            target = self._an_account().rjust(32, b"\0")
            name = random.choice(["selfdestruct", "delegate", "probe"])
            return transaction_fields(nonce, AT[name], 400_000, data=target + self._word() + data)
        if kind == 7:
            return transaction_fields(nonce, None, 300_000, 0, self.random_code())
        if kind == 8:
            return transaction_fields(nonce, sender, 400_000, 1, sender.rjust(32, b"\0") + data)
        return transaction_fields(nonce, random.choice(self.targets), 300_000, random.choice([0, 1]), data)

    def _priced(self, fields: dict[str, Any], due: dict[bytes, int], sender: LocalAccount) -> dict[str, Any]:
        """`fields` as a transaction of some type; authorizations that should apply advance nonces in `due`."""
        kind = self.random.choice(["unprotected", "legacy", "2930", "1559", "7702"])
        accesses = [
            {
                "address": self._an_account(),
                "storageKeys": [self.random.randrange(4) for _ in range(self.random.randrange(3))],
            }
            for _ in range(self.random.randrange(3))
        ]
        tip = self.random.choice([0, 1, GWEI, MAX_FEE])
        if kind == "unprotected":
            del fields["chainId"]
            return {**fields, "gasPrice": MAX_FEE}
        if kind == "legacy":
            return {**fields, "gasPrice": MAX_FEE}
        if kind == "2930":
            return {**fields, "type": 1, "gasPrice": MAX_FEE, "accessList": accesses}
        fields |= {"maxFeePerGas": MAX_FEE, "maxPriorityFeePerGas": tip, "accessList": accesses}
        if kind == "1559" or "to" not in fields:
            return {**fields, "type": 2}
        entries = [self._authorization(due, sender) for _ in range(self.random.randint(1, 3))]
        return {**fields, "type": 4, "gas": fields["gas"] + 100_000, "authorizationList": entries}

    def _authorization(self, due: dict[bytes, int], sender: LocalAccount) -> Any:
        """Of somebody else, or of the transaction's own sender, whose nonce its transaction has advanced already."""
        authority = self.random.choice([*self.authorities, sender])
        address = address_of(authority)
        wrong_nonce = self.random.random() < 0.2
        target = self.random.choice([bytes(20), AT["store"], AT["forward"], AT["factory"], address])
        chain = self.random.choice([0, CHAIN_ID, CHAIN_ID, CHAIN_ID + 1])
        signed = authority.sign_authorization(
            {"chainId": chain, "address": target, "nonce": due[address] + wrong_nonce}
        )
        due[address] += not wrong_nonce and chain != CHAIN_ID + 1
        return signed

    def _an_account(self) -> bytes:
        """An address of any kind."""
        signers = [*self.senders, *self.authorities]
        return self.random.choice(
            [
                self.random.randbytes(20),
                bytes(19) + bytes([self.random.randint(0, 20)]),
                address_of(self.random.choice(signers)),
                self.random.choice(self.targets),
            ]
        )

    def _word(self) -> bytes:
        return self.random.choice([self._number(), self.random.getrandbits(256)]).to_bytes(32, "big")

    def _number(self) -> int:
        return self.random.choice([*NUMBERS, self.random.getrandbits(64)])

    # ── code ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def random_code(self) -> bytes:
        """Code that mostly has the operands it needs; it may stop early, revert, or run into nonsense."""
        parts: list[Part] = []
        for _ in range(self.random.randint(5, 40)):
            code, operands = self.random.choice(OPERATIONS)
            parts.extend(self._operand(operand) for operand in reversed(operands))
            parts.append(code)
            if self.random.random() < 0.1:
                parts.append(self.random.choice([op.DUP1, op.DUP2, op.SWAP1, op.POP, op.SWAP2]))
        end = self.random.choice([op.STOP, op.RETURN, op.REVERT, op.SELFDESTRUCT, INVALID])
        parts += [push(self.random.randrange(64)), push(self.random.randrange(64)), end]
        return assemble(*parts)

    def _operand(self, kind: str) -> bytes:
        match kind:
            case "n":
                return push(self._number())
            case "s":
                return push(self.random.randrange(5))
            case "a":
                return self._known_address()
            case "m":
                return push(self.random.choice([0, 1, 32, 40, self.random.randrange(300)]))
            case "g":
                return push(self.random.choice([0, 2300, 30_000, 1 << 64]))
        return push(self.random.choice([0, 0, 0, 1, 2]))

    def _known_address(self) -> bytes:
        return self.random.choice(
            [*AT.values(), bytes(19) + bytes([self.random.randint(1, 0x11)]), self.random.randbytes(20)]
        )


def _words(*values: int) -> bytes:
    return b"".join(value.to_bytes(32, "big") for value in values)
