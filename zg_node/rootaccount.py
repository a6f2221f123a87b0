"""An account of this node on the root shard: transactions of its own, from the call that tries them to their receipt.

send ─▶ worker: would it revert? ─▶ sign with the next nonce ─▶ root mempool ─▶ loop: gossip ─▶ final: receipt
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import orjson

from zg_node import _core
from zg_node.contracts import da
from zg_node.errors import InvalidRequest, Reverted, Unavailable
from zg_node.execution.service import Chain
from zg_node.keys import address_of
from zg_node.types.block import StoredBlock

CALL_GAS = 50_000_000
CALL_TIMEOUT_MS = 5_000
FINAL_TIMEOUT_S = 60.0


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
    """One key, on the event loop; its transactions are made one after the other in a thread."""

    def __init__(self, root: Chain, key: bytes | None) -> None:
        """`key` None can only ask."""
        self._root = root
        self._key = key
        self.address = address_of(key) if key is not None else None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="root-account")
        self._waiting: dict[bytes, asyncio.Future[StoredBlock]] = {}
        self._stop = root.on_head(self._on_head)

    async def ask(self, to: bytes, data: bytes) -> bytes:
        """What a contract answers at the head. Raises Reverted, Unavailable."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._call, Call(to, data, CALL_GAS))

    async def send(self, call: Call) -> None:
        """Have `call` executed in a block; returns once that is final. Raises Reverted when it would revert or has,
        InvalidRequest, Unavailable when it is not final in time."""
        if self._key is None:
            raise InvalidRequest("this node has no key to pay with: run it as a validator, or on a development network")
        loop = asyncio.get_running_loop()
        raw = await loop.run_in_executor(self._worker, self._submit, call, self._key)
        tx_hash = _core.keccak256(raw)
        final: asyncio.Future[StoredBlock] = loop.create_future()
        self._waiting[tx_hash] = final
        try:
            self._root.accepted(["0x" + raw.hex()])
            place = self._root.transaction(tx_hash)
            if place is None:
                async with asyncio.timeout(FINAL_TIMEOUT_S):
                    await final
                place = self._root.transaction(tx_hash)
        except TimeoutError as error:
            raise Unavailable(f"0x{tx_hash.hex()} is not final after {FINAL_TIMEOUT_S:.0f} s") from error
        finally:
            del self._waiting[tx_hash]
        assert place is not None, "a block that holds it is final"
        await loop.run_in_executor(self._worker, self._check_receipt, tx_hash, *place)

    def close(self) -> None:
        """After the last `send`."""
        self._stop()
        self._worker.shutdown()

    # ── in the worker ───────────────────────────────────────────────────────────────────────────────────────────────

    def _call(self, call: Call) -> bytes:
        root, head = self._root, self._root.head
        request = _core.CallRequest(orjson.dumps(self._fields(call)), None, CALL_GAS, CALL_TIMEOUT_MS)
        (answer,) = root.engine.call(root.state, head.hash, head.header.raw, [request])
        if isinstance(answer, bytes):
            return answer
        data = answer.data or b""
        raise Reverted(da.explain(data) or answer.message, data)

    def _submit(self, call: Call, key: bytes) -> bytes:
        """The transaction, as the mempool took it. Raises Reverted, InvalidRequest."""
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

    # ── on the event loop ───────────────────────────────────────────────────────────────────────────────────────────

    def _on_head(self, block: StoredBlock) -> None:
        if not self._waiting or not block.senders:
            return
        hashes = _core.body_hashes(block.body)
        for start in range(0, len(hashes), 32):
            final = self._waiting.get(hashes[start : start + 32])
            if final is not None and not final.done():
                final.set_result(block)
