"""What a block needs from an execution engine. `_core.Engine` (revm) is the default; `pyevm.PyEvmEngine` the second
opinion.

Both read the same `_core.State`, leave a block's changes there as an overlay, and return the same `_core.Executed`.

A block may end with system calls: (contract, call data), made in order from 0xff…fe after the last transaction, each
with SYSTEM_CALL_GAS_MAX gas of its own. They have no receipts and their logs are dropped, as with Ethereum's own; one
that fails makes the block invalid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from zg_node import _core
from zg_node.types.block import Attributes

SystemCall: TypeAlias = tuple[bytes, bytes]
"""(contract, call data)."""

SYSTEM_ADDRESS = b"\xff" * 19 + b"\xfe"
SYSTEM_CALL_GAS_MAX = 200_000_000
"""Gas of one call; none of it counts against the block's gas limit."""


class Engine(Protocol):
    """Executes blocks of one shard. Calls are made from one thread at a time."""

    def genesis(self, state: _core.State, attributes: Attributes, diff: bytes) -> _core.Executed:
        """Block 0 over the allocation; written durably when `state` is empty, else checked against it (Corrupt)."""
        ...

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
        """Fill a block from the pool on top of `parent`, and close it with `calls`. Raises InvalidBlock for those."""
        ...

    def execute(
        self,
        state: _core.State,
        parent: bytes,
        header: bytes,
        body: bytes,
        pool: _core.Pool,
        calls: Sequence[SystemCall] = (),
    ) -> _core.Executed:
        """Execute a proposed block and check what follows from it; senders known to `pool` are not recovered again.

        Raises InvalidBlock."""
        ...

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
        """A block from our own log: apply the diff, check the root. Raises Corrupt."""
        ...
