"""A shard of tests: a state directory, a mempool and an engine, moved forward block by block."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.execution.pyevm_workload import CHAIN_ID, GAS_LIMIT, Workload, address_of
from zg_node import _core
from zg_node.execution.engine import Engine
from zg_node.execution.pyevm import PyEvmEngine
from zg_node.types.block import BODY_MAX_BYTES, Attributes


def native_engine() -> _core.Engine:
    """revm at the rules that py-evm knows."""
    return _core.Engine(CHAIN_ID, fork="prague")


def pyevm_engine() -> PyEvmEngine:
    """py-evm, sealed by the core; its clock stands still."""
    return PyEvmEngine(native_engine(), CHAIN_ID, clock_s=lambda: 0.0)


class Shard:
    """One chain under one engine."""

    def __init__(self, directory: Path, engine: Engine, workload: Workload) -> None:
        """Open or create the chain in `directory`; its genesis is the workload's."""
        self.engine = engine
        self.workload = workload
        self.state = _core.State(str(directory), 1 << 20, None)
        self.pool = _core.Pool(
            CHAIN_ID,
            max_transactions=10_000,
            max_bytes=1 << 26,
            max_per_sender=1_000,
            max_queued_per_sender=1_000,
            max_queued=1_000,
            lifetime_ms=1 << 40,
            price_bump_percent=10,
            min_tip=0,
            allow_unprotected=True,
        )
        zero = Attributes(0, 0, bytes(20), GAS_LIMIT, 10**9, bytes(32), bytes(32), bytes(32))
        self.genesis = engine.genesis(self.state, zero, workload.genesis())
        self.number, self.head, _ = self.state.head()

    def nonces(self) -> dict[bytes, int]:
        """The next nonces of the workload's signers."""
        signers = [*self.workload.senders, *self.workload.authorities]
        addresses = [address_of(signer) for signer in signers]
        found = {address: self.state.account(self.head, address) for address in addresses}
        return {address: account[0] if account else 0 for address, account in found.items()}

    def offer(self, attributes: Attributes, raws: Sequence[bytes]) -> list[bytes | tuple[int, str]]:
        """Give transactions to the pool."""
        return self.pool.add(self.state, self.head, attributes.base_fee, GAS_LIMIT, raws, 0)

    def build(
        self, attributes: Attributes, gas_budget: int = GAS_LIMIT, body_bytes: int = BODY_MAX_BYTES
    ) -> _core.Executed:
        """A block on the head, out of the pool."""
        return self.engine.build(self.state, self.head, attributes, self.pool, gas_budget, body_bytes)

    def execute(self, block: _core.Executed) -> _core.Executed:
        """A block on the head, proposed by someone else."""
        return self.engine.execute(self.state, self.head, block.header, block.body, self.pool)

    def finalise(self, block: _core.Executed) -> None:
        """Make an executed child of the head the head."""
        self.state.finalise(block.hash)
        self.number, self.head = block.number, block.hash
        self.pool.commit(self.state, block.hash, block, 10**9, 0)

    def close(self) -> None:
        """Write everything and close; the pool holds a view, which would keep the directory locked."""
        self.state.flush()
        del self.pool
        self.state.close()
