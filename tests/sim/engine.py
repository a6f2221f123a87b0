"""The native engine, on a machine that may compute wrongly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from zg_node import _core
from zg_node.errors import InvalidBlock
from zg_node.execution.engine import SystemCall
from zg_node.types.block import Attributes
from zg_node.types.hashing import keccak


class BentEngine:
    """Satisfies `Engine`; while `diverging`, finds some sound blocks wrong, always the same ones."""

    def __init__(self, native: _core.Engine, diverging: Callable[[], bool]) -> None:
        self._native = native
        self._diverging = diverging

    def genesis(self, state: _core.State, attributes: Attributes, diff: bytes) -> _core.Executed:
        return self._native.genesis(state, attributes, diff)

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
        return self._native.build(state, parent, attributes, pool, gas_budget, max_body_bytes, calls)

    def execute(
        self,
        state: _core.State,
        parent: bytes,
        header: bytes,
        body: bytes,
        pool: _core.Pool,
        calls: Sequence[SystemCall] = (),
    ) -> _core.Executed:
        if self._diverging() and keccak(header)[0] < 128:
            raise InvalidBlock("a computer error")
        return self._native.execute(state, parent, header, body, pool, calls)

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
        return self._native.replay(state, parent, header, body, receipts, senders, diff)
