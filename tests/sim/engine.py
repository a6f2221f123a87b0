"""The native engine, on a machine that may compute wrongly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from zg_node import _core
from zg_node.errors import InvalidBlock
from zg_node.execution.engine import SystemCall
from zg_node.types.hashing import keccak


class BentEngine:
    """Satisfies `Engine`; while `diverging`, finds some sound blocks wrong, always the same ones."""

    def __init__(self, native: _core.Engine, diverging: Callable[[], bool]) -> None:
        self._diverging = diverging
        self._execute = native.execute
        self.genesis = native.genesis
        self.build = native.build
        self.replay = native.replay

    def execute(
        self,
        state: _core.State,
        parent: bytes,
        header: bytes,
        body: bytes,
        pool: _core.Pool,
        calls: Sequence[SystemCall] = (),
    ) -> _core.Executed:
        """As the native engine does, unless the machine errs. Raises InvalidBlock."""
        if self._diverging() and keccak(header)[0] < 128:
            raise InvalidBlock("a computer error")
        return self._execute(state, parent, header, body, pool, calls)
