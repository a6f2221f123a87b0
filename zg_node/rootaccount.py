"""The account of this node on the root shard: its transactions, from the call that tries them to their receipt.

submit   worker: would it revert? ─▶ sign with the next nonce ─▶ root mempool ─▶ loop: gossip
send     submit ─▶ final ─▶ worker: receipt

Evidence, blobs, certificates and answers to challenges are all paid from here. A nonce is chosen and used in one job of
the only thread, so that two transactions never share one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

import orjson

from zg_node import _core
from zg_node.contracts import da, staking
from zg_node.errors import InvalidRequest, Reverted, Unavailable
from zg_node.execution.service import Chain
from zg_node.keys import address_of
from zg_node.rpc.receipts import ReceiptWaiters

CALL_GAS = 50_000_000
CALL_TIMEOUT_MS = 5_000
FINAL_TIMEOUT_S = 60.0
WAITING_MAX = 1024
"""Transactions that are waited for at a time."""

EXPLAIN: Mapping[bytes, Callable[[bytes], str | None]] = {
    staking.STAKING: staking.explain,
    da.DATA_AVAILABILITY: da.explain,
}
"""What a contract's revert says, by contract."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a transaction does."""

    to: bytes
    """20 bytes."""
    data: bytes
    gas: int
    value: int = 0
    """Wei."""


class RootAccount:
    """One key, on the event loop."""

    def __init__(self, root: Chain, key: bytes | None, worker: Executor) -> None:
        """`key` None can only ask. `worker` has one thread, and is shut down by `close`."""
        self._root = root
        self._key = key
        self.address = address_of(key) if key is not None else None
        self._worker = worker
        self._receipts = ReceiptWaiters(root, WAITING_MAX)

    async def ask(self, to: bytes, data: bytes) -> bytes:
        """What a contract answers at the head. Raises Reverted, Unavailable."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._call, Call(to, data, CALL_GAS))

    async def submit(self, call: Call) -> bytes:
        """Have `call` in the pool and on its way to the other nodes; returns the transaction's hash. Raises Reverted
        when it would revert, InvalidRequest when the pool refuses it, Unavailable."""
        if self._key is None:
            raise InvalidRequest("this node has no key to pay with: run it as a validator or as a holder")
        raw = await asyncio.get_running_loop().run_in_executor(self._worker, self._enqueue, call, self._key)
        self._root.accepted(["0x" + raw.hex()])
        return _core.keccak256(raw)

    async def send(self, call: Call) -> None:
        """Have `call` executed in a block; returns once that is final. Raises as `submit`, Reverted when it has
        reverted, Unavailable when it is not final in time."""
        tx_hash = await self.submit(call)
        try:
            place = await self._receipts.wait(tx_hash, FINAL_TIMEOUT_S)
        except TimeoutError as error:
            raise Unavailable(f"0x{tx_hash.hex()} is not final after {FINAL_TIMEOUT_S:.0f} s") from error
        await asyncio.get_running_loop().run_in_executor(self._worker, self._check_receipt, tx_hash, *place)

    def close(self) -> None:
        """After the last `send`."""
        self._receipts.close()
        self._worker.shutdown()

    # ── in the worker ───────────────────────────────────────────────────────────────────────────────────────────────

    def _call(self, call: Call) -> bytes:
        root, head = self._root, self._root.head
        request = _core.CallRequest(orjson.dumps(self._fields(call)), None, CALL_GAS, CALL_TIMEOUT_MS)
        (answer,) = root.engine.call(root.state, head.hash, head.header.raw, [request])
        if isinstance(answer, bytes):
            return answer
        data, explain = answer.data or b"", EXPLAIN.get(call.to)
        raise Reverted((explain(data) if explain else None) or answer.message, data)

    def _enqueue(self, call: Call, key: bytes) -> bytes:
        """The transaction, as the mempool took it. Raises Reverted, InvalidRequest, Unavailable."""
        self._call(call)
        root = self._root
        head, base_fee = root.head, root.next_base_fee()
        transaction = self._fields(call) | {
            "type": "0x2",
            "chainId": hex(root.chain_id),
            "nonce": hex(root.pool.nonce(root.state, head.hash, self.address or b"")),
            "maxFeePerGas": hex(2 * base_fee),
            "maxPriorityFeePerGas": "0x0",
        }
        raw = _core.sign_transaction_json(orjson.dumps(transaction), key)
        (outcome,) = root.pool.add(root.state, head.hash, base_fee, head.header.gas_limit, [raw], root.now_ms())
        if isinstance(outcome, bytes):
            return raw
        raise InvalidRequest(outcome[1], outcome[0])

    def _fields(self, call: Call) -> dict[str, str]:
        fields = {
            "to": "0x" + call.to.hex(),
            "gas": hex(call.gas),
            "value": hex(call.value),
            "input": "0x" + call.data.hex(),
        }
        return fields if self.address is None else {"from": "0x" + self.address.hex()} | fields

    def _check_receipt(self, tx_hash: bytes, number: int, index: int) -> None:
        """Raise Reverted unless the transaction did what it should."""
        block = self._root.by_number(number)
        if block is None:
            raise Unavailable(f"block {number} is not kept by this node")
        receipt = orjson.loads(_core.receipt_json(block.header.raw, block.body, block.senders, block.receipts, index))
        if receipt["status"] != "0x1":
            raise Reverted(f"0x{tx_hash.hex()} has reverted", b"")
