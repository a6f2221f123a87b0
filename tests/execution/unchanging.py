"""Epochs without end: one validator set, named in block 0."""

from __future__ import annotations

from zg_node.execution.service import SystemCalls
from zg_node.execution.validation import Lineage
from zg_node.types.block import ConsensusHeader, StoredBlock


class Unchanging:
    """Satisfies `execution.service.Epochs`."""

    def lineage(self, number: int, parent: ConsensusHeader, child: ConsensusHeader | None) -> Lineage:
        return Lineage(parent.epoch, parent.set_hash, parent.set_hash)

    def closing_calls(self, number: int, parent: ConsensusHeader, epoch: int, view: int) -> SystemCalls:
        return ()

    def committed(self, block: StoredBlock) -> None:
        pass
