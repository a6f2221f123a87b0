"""The `Engine` Protocol on py-evm: it executes; roots, headers and overlays are the core's.

    build     pool ─ candidates ─▶ Transition ─▶ receipts, diff ─▶ native.seal
    execute   header, body ──────▶ Transition ─▶ receipts, diff ─▶ native.seal ─▶ the same header, or InvalidBlock

Genesis and replay execute nothing and are the core's altogether.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import rlp
from eth.abc import SignedTransactionAPI
from rlp.codec import consume_length_prefix

from zg_node import _core
from zg_node.errors import InvalidBlock, InvalidMessage, InvalidTransaction
from zg_node.execution.engine import SystemCall
from zg_node.execution.pyevm.encoding import encode_diff, encode_receipts, header_length
from zg_node.execution.pyevm.machine import PRAGUE
from zg_node.execution.pyevm.transition import BlockContext, Receipt, Transition, decode
from zg_node.execution.pyevm.view import CodeCache, CoreView
from zg_node.types.block import BODY_MAX_BYTES, Attributes, Header

BUILD_MAX_S = 0.8
"""No transaction is begun after this long: an expensive block must not outlast the leader's timeout."""
CANDIDATES_MAX = 2048
"""Transactions asked of the pool; more than py-evm executes in `BUILD_MAX_S`."""
MISFITS_MAX = 64
"""Consecutive transactions too large for what is left of the block, after which it counts as full."""
TX_GAS_MIN = 21_000

BLOB_TYPE = b"\x03"
"""EIP-4844's EIP-2718 type: blobs do not travel on these chains."""

HEADER_FIELDS = (
    "parentHash",
    "sha3Uncles",
    "miner",
    "stateRoot",
    "transactionsRoot",
    "receiptsRoot",
    "logsBloom",
    "difficulty",
    "number",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "extraData",
    "mixHash",
    "nonce",
    "baseFeePerGas",
    "withdrawalsRoot",
    "blobGasUsed",
    "excessBlobGas",
    "parentBeaconBlockRoot",
    "requestsHash",
)
"""In the order of their encoding."""


class PyEvmEngine:
    """py-evm at Prague behind the execution Protocol."""

    def __init__(self, native: _core.Engine, chain_id: int, clock_s: Callable[[], float] = time.monotonic) -> None:
        """`native` seals what is executed here; `clock_s` bounds the time that a block is built for."""
        self._native = native
        self._chain_id = chain_id
        self._clock_s = clock_s
        self._codes = CodeCache()

    def genesis(self, state: _core.State, attributes: Attributes, diff: bytes) -> _core.Executed:
        """See `Engine`: nothing is executed."""
        return self._native.genesis(state, attributes, diff)

    def replay(
        self,
        state: _core.State,
        parent: bytes,
        header: bytes,
        body: bytes,
        receipts: bytes,
        senders: bytes,
        diff: bytes,
    ) -> _core.Executed:
        """See `Engine`: nothing is executed."""
        return self._native.replay(state, parent, header, body, receipts, senders, diff)

    def build(
        self,
        state: _core.State,
        parent: bytes,
        attributes: Attributes,
        pool: _core.Pool,
        gas_budget: int,
        max_body_bytes: int,
        calls: Sequence[SystemCall] = (),
    ) -> _core.Executed:
        """See `Engine`. A sender whose transaction is refused is passed over for the rest of the block.

        A nonce that an authorization (EIP-7702) used up in the meantime is no reason for that."""
        transition = self._open(state, parent, attributes)
        gas_budget = min(gas_budget, attributes.gas_limit)
        count = min(gas_budget // TX_GAS_MIN, CANDIDATES_MAX)
        raws: list[bytes] = []
        receipts: list[Receipt] = []
        passed_over: set[bytes] = set()
        payload_bytes = 0
        misfits = 0
        deadline = self._clock_s() + BUILD_MAX_S
        for raw in pool.candidates(state, parent, attributes.base_fee, count):
            if misfits == MISFITS_MAX or gas_budget - transition.gas_used < TX_GAS_MIN or self._clock_s() >= deadline:
                break
            try:
                tx = decode(PRAGUE, raw)
            except InvalidTransaction:
                continue
            if tx.sender in passed_over or tx.nonce < transition.nonce(tx.sender):
                continue
            grown_bytes = payload_bytes + header_length(len(raw)) + len(raw)
            body_bytes = header_length(grown_bytes) + grown_bytes
            if tx.gas > gas_budget - transition.gas_used or body_bytes > max_body_bytes:
                misfits += 1
                passed_over.add(tx.sender)
                continue
            misfits = 0
            try:
                receipts.append(transition.transact(tx))
            except InvalidTransaction:
                passed_over.add(tx.sender)
                continue
            raws.append(raw)
            payload_bytes = grown_bytes
        transition.close(calls)
        return self._seal(state, parent, attributes, pool, raws, receipts, transition)

    def execute(
        self,
        state: _core.State,
        parent: bytes,
        header: bytes,
        body: bytes,
        pool: _core.Pool,
        calls: Sequence[SystemCall] = (),
    ) -> _core.Executed:
        """See `Engine`. Raises InvalidBlock that names the first header field which does not follow."""
        attributes = _header(header).attributes
        raws = _transactions(body)
        transition = self._open(state, parent, attributes)
        receipts = []
        for index, raw in enumerate(raws):
            try:
                receipts.append(transition.transact(_travelling(raw)))
            except InvalidTransaction as error:
                raise InvalidBlock(f"transaction {index}: {error}") from error
        transition.close(calls)
        sealed = self._seal(state, parent, attributes, pool, raws, receipts, transition)
        if sealed.header != header:
            raise InvalidBlock(f"{_difference(header, sealed.header)} does not follow from executing the block")
        if sealed.body != body:
            raise InvalidBlock("body: not canonical")
        return sealed

    def _open(self, state: _core.State, parent: bytes, attributes: Attributes) -> Transition:
        context = BlockContext(
            chain_id=self._chain_id,
            parent_hash=parent,
            number=attributes.number,
            timestamp=attributes.timestamp,
            coinbase=attributes.coinbase,
            gas_limit=attributes.gas_limit,
            base_fee=attributes.base_fee,
            prev_randao=attributes.prev_randao,
            parent_beacon_root=attributes.parent_beacon_root,
        )
        transition = Transition(PRAGUE, context, CoreView(state, parent, self._codes))
        transition.open()
        return transition

    def _seal(
        self,
        state: _core.State,
        parent: bytes,
        attributes: Attributes,
        pool: _core.Pool,
        raws: Sequence[bytes],
        receipts: Sequence[Receipt],
        transition: Transition,
    ) -> _core.Executed:
        self._codes.update(transition.journal.deployed)
        return self._native.seal(
            state, parent, attributes, pool, raws, encode_receipts(receipts), encode_diff(transition.journal)
        )


def _header(raw: bytes) -> Header:
    try:
        return Header.decode(raw)
    except InvalidMessage as error:
        raise InvalidBlock(str(error)) from error


def _transactions(body: bytes) -> list[bytes]:
    """The EIP-2718 byte strings of a body, read without following whatever nests in it. Raises InvalidBlock."""
    if len(body) > BODY_MAX_BYTES:
        raise InvalidBlock(f"a body of {len(body)} bytes")
    raws = []
    try:
        _, kind, length, position = consume_length_prefix(body, 0)
        if kind is not list or position + length != len(body):
            raise InvalidBlock("body: not a list")
        while position < len(body):
            _, kind, length, start = consume_length_prefix(body, position)
            position = start + length
            if kind is not bytes or position > len(body):
                raise InvalidBlock("body: not a list of strings")
            raws.append(body[start:position])
    except (rlp.exceptions.DecodingError, IndexError) as error:
        raise InvalidBlock(f"body: {error}") from error
    return raws


def _travelling(raw: bytes) -> SignedTransactionAPI:
    """A transaction of a kind that these chains carry. Raises InvalidTransaction."""
    if raw[:1] == BLOB_TYPE:
        raise InvalidTransaction("transaction type not supported")
    # The core's codec first: it bounds size and nesting, which py-evm's follows as far as they go.
    _core.decode_transaction_json(raw)
    return decode(PRAGUE, raw)


def _difference(proposed: bytes, due: bytes) -> str:
    """The first field in which two encoded headers differ."""
    fields = zip(HEADER_FIELDS, rlp.decode(proposed), rlp.decode(due), strict=True)
    return next((name for name, ours, theirs in fields if ours != theirs), "the encoding")
