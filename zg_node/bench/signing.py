"""Signing a whole load before the clock starts, on every core: about 20,000 signatures a second and core."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TypeAlias

from zg_node.bench.transaction import Call, Fees, Signed, Signer

CHUNK_TRANSACTIONS = 500
"""A worker's unit of work, so that progress moves and the last worker is not late by much."""

Progress: TypeAlias = Callable[[int], None]
"""Called with how many transactions have been signed since the last call."""


@dataclass(frozen=True, slots=True)
class SenderPlan:
    """One account's transactions, in nonce order."""

    key: bytes
    chain_id: int
    fees: Fees
    first_nonce: int
    calls: tuple[Call, ...]


def sign_plans(plans: Sequence[SenderPlan]) -> list[list[Signed]]:
    """One list a plan."""
    signed = []
    for plan in plans:
        signer = Signer(plan.key, plan.chain_id, plan.fees)
        signed.append([signer.sign(plan.first_nonce + offset, call) for offset, call in enumerate(plan.calls)])
    return signed


def _chunks(plans: Sequence[SenderPlan]) -> list[range]:
    chunks, start, size = [], 0, 0
    for index, plan in enumerate(plans):
        size += len(plan.calls)
        if size >= CHUNK_TRANSACTIONS or index == len(plans) - 1:
            chunks.append(range(start, index + 1))
            start, size = index + 1, 0
    return chunks


class SigningPool:
    """Worker processes that sign; use as a context manager."""

    def __init__(self, workers: int | None = None) -> None:
        # Spawned, not forked: the caller may have threads (another pool, a plot library).
        self._executor = ProcessPoolExecutor(
            workers or len(os.sched_getaffinity(0)), mp_context=multiprocessing.get_context("spawn")
        )

    def __enter__(self) -> SigningPool:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(cancel_futures=True)

    def sign(self, plans: Sequence[SenderPlan], progress: Progress = lambda _: None) -> list[list[Signed]]:
        """All plans, in order; one list a plan."""
        signed: list[list[Signed]] = [[] for _ in plans]
        futures = {
            self._executor.submit(sign_plans, [plans[index] for index in chunk]): chunk for chunk in _chunks(plans)
        }
        for future in as_completed(futures):
            done = future.result()
            for index, transactions in zip(futures[future], done, strict=True):
                signed[index] = transactions
            progress(sum(map(len, done)))
        return signed
