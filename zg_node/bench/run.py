"""One measurement: prepare every shard, sign, start all connections at once, follow the chains, reckon."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from zg_node.bench.account import DEVNET_FAUCET_KEY, derive_senders
from zg_node.bench.http import Endpoint
from zg_node.bench.load import ERROR_SAMPLES_MAX, Gate, Request, Sender, interleave, render_requests
from zg_node.bench.measurement import LaneLog, Measurement, figures
from zg_node.bench.observer import Observer, fetch_outcomes
from zg_node.bench.process import cpu_seconds
from zg_node.bench.rpc import RpcClient
from zg_node.bench.server import Server
from zg_node.bench.setup import Faucet
from zg_node.bench.signing import Progress, SenderPlan, SigningPool
from zg_node.bench.stages import read_stages
from zg_node.bench.transaction import Fees, Signed
from zg_node.bench.workload import CallOf, Population, Receivers, WorkloadName, prepare
from zg_node.errors import InvalidConfig, Unavailable

POLL_S = 0.01
"""How often a chain is asked for new blocks; also the resolution of the latencies under load."""
STALL_S = 10.0
"""A run without a new transaction in a block for this long is over: what is missing then counts as lost."""


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """What to send; everything is per shard."""

    workload: WorkloadName
    transactions: int = 20_000
    batch: int = 100
    """Transactions a request; 1 sends plain calls."""
    connections: int = 8
    senders: int = 1_000
    receivers: Receivers = Receivers.EXISTING
    outstanding_max: int = 50_000
    """Most transactions that are sent and not final."""
    rate_per_s: float | None = None
    """None: as fast as the server takes them."""
    duration_max_s: float = 120.0
    """A run that takes longer is cut off; what is in no block by then counts as lost."""
    seed: str = "zg bench"
    faucet_key: bytes = DEVNET_FAUCET_KEY

    def check(self) -> None:
        """Raises InvalidConfig."""
        counts = (self.transactions, self.batch, self.connections, self.senders, self.outstanding_max)
        if min(counts) < 1:
            raise InvalidConfig("transactions, batch, connections, senders and outstanding must be at least 1")
        if self.senders < self.connections:
            raise InvalidConfig(f"{self.senders} senders cannot use {self.connections} connections: raise --senders")
        if self.outstanding_max < self.batch:
            raise InvalidConfig("a batch is larger than what may be outstanding")


class Lane:
    """The load of one shard: prepared once, driven once or, in a soak, round after round."""

    def __init__(self, endpoint: Endpoint, settings: LoadSettings, fees: Fees) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._fees = fees
        self._client = RpcClient(endpoint)
        self._population = Population(
            settings.seed, derive_senders(settings.seed, settings.senders), settings.receivers
        )
        self._chain_id = 0
        self._call: CallOf | None = None
        self._sequence = 0
        self._nonces: list[int] = []

    async def prepare(self, rounds: int = 1) -> None:
        """Put on chain what the workload needs for `rounds` loads."""
        await self._client.open()
        self._chain_id = await self._client.number("eth_chainId")
        faucet = Faucet(self._client, self._settings.faucet_key, self._chain_id, self._fees)
        each = rounds * -(-self._settings.transactions // self._settings.senders)
        self._call = await prepare(
            self._settings.workload, self._population, each, self._client, faucet, self._chain_id, self._fees
        )
        self._nonces = await self._client.nonces([sender.address for sender in self._population.senders])

    def plans(self) -> list[SenderPlan]:
        """The next load, by sender; the earlier senders have one more where it does not divide."""
        assert self._call is not None, "prepare first"
        each, more = divmod(self._settings.transactions, self._settings.senders)
        plans = []
        for index, sender in enumerate(self._population.senders):
            steps = range(self._sequence, self._sequence + each + (index < more))
            calls = tuple(self._call(index, step) for step in steps)
            plans.append(SenderPlan(sender.key, self._chain_id, self._fees, self._nonces[index], calls))
            self._nonces[index] += len(calls)
        self._sequence += each + 1
        return plans

    def render(self, signed: Sequence[Sequence[Signed]]) -> list[list[Request]]:
        """Requests by connection; all of a sender's go over the same one."""
        step = self._settings.connections
        return [
            render_requests(self._endpoint, interleave(signed[connection::step]), self._settings.batch)
            for connection in range(step)
        ]

    async def drive(self, shares: Sequence[Sequence[Request]]) -> tuple[LaneLog, tuple[str, ...]]:
        """Send, and follow the chain until everything is final; the log has no outcomes yet. Also a few refusals."""
        observer = Observer(self._client)
        await observer.open()
        gate = Gate(self._settings.outstanding_max, self._settings.rate_per_s)
        senders = [Sender(self._endpoint, share, gate) for share in shares]
        try:
            await asyncio.gather(*(sender.open() for sender in senders))
            for sender in senders:
                sender.start()
            await self._follow(observer, senders, gate)
        finally:
            for sender in senders:
                sender.close()
        sent_at = {
            tx_hash: written
            for sender in senders
            for request, written in zip(sender.requests, sender.sent_at, strict=False)
            for tx_hash in request.hashes
        }
        rejected = sum(sender.rejected for sender in senders)
        errors = tuple(error for sender in senders for error in sender.errors)
        return LaneLog(sent_at, rejected, observer.blocks, {}), errors[:ERROR_SAMPLES_MAX]

    async def _follow(self, observer: Observer, senders: Sequence[Sender], gate: Gate) -> None:
        moved_at = started = time.monotonic()
        total = sum(len(request.hashes) for sender in senders for request in sender.requests)
        while (now := time.monotonic()) - moved_at < STALL_S and now - started < self._settings.duration_max_s:
            before = observer.transactions
            await observer.poll()
            if observer.transactions > before:
                gate.settle(observer.transactions - before)
                moved_at = now
            gate.tick()
            for sender in senders:
                if sender.lost is not None:
                    raise Unavailable(f"{self._endpoint.url}: {sender.lost}")
            refused = sum(sender.rejected for sender in senders)
            if all(sender.finished for sender in senders) and observer.transactions + refused >= total:
                return
            await asyncio.sleep(POLL_S)

    async def outcomes(self, log: LaneLog) -> LaneLog:
        """The log with every receipt of its blocks."""
        return replace(log, outcomes=await fetch_outcomes(self._client, log.blocks))

    def close(self) -> None:
        self._client.close()


class Voice(Protocol):
    """Who is told how far a measurement has come."""

    def say(self, step: str) -> None:
        """A new step begins."""

    def signing(self, total: int) -> AbstractContextManager[Progress]:
        """`total` transactions are about to be signed; yields what counts them."""


async def measure(server: Server, settings: LoadSettings, pool: SigningPool, voice: Voice) -> Measurement:
    """Drive all shards of a server at once. Raises Unavailable, InvalidConfig, InvalidRequest."""
    settings.check()
    lanes = [Lane(endpoint, settings, server.fees) for endpoint in server.shards]
    try:
        voice.say("preparing accounts and contracts")
        await asyncio.gather(*(lane.prepare() for lane in lanes))
        with voice.signing(settings.transactions * len(lanes)) as progress:
            shares = [lane.render(await asyncio.to_thread(pool.sign, lane.plans(), progress)) for lane in lanes]
        voice.say("sending")
        stages_before = await read_stages(server.metrics) if server.metrics else {}
        with _collector_paused():
            server_cpu = _server_cpu(server)
            client_cpu = time.process_time()
            driven = await asyncio.gather(*(lane.drive(share) for lane, share in zip(lanes, shares, strict=True)))
            client_cpu = time.process_time() - client_cpu
            server_cpu = _server_cpu(server) - server_cpu
        stages = await read_stages(server.metrics) if server.metrics else {}
        voice.say("reading receipts")
        logs = [await lane.outcomes(log) for lane, (log, _) in zip(lanes, driven, strict=True)]
    finally:
        for lane in lanes:
            lane.close()
    total = figures(logs)
    counted = max(1, total.final + total.failed)
    return Measurement(
        server=server.name,
        total=total,
        per_shard=tuple(figures([log]) for log in logs),
        server_cpu_us=server_cpu / counted * 1e6 if server.pid is not None else None,
        client_cpu_us=client_cpu / counted * 1e6,
        stages_us={
            name: (seconds - stages_before.get(name, 0.0)) / counted * 1e6
            for name, seconds in stages.items()
            if seconds > stages_before.get(name, 0.0)
        },
        errors=tuple(error for _, errors in driven for error in errors)[:ERROR_SAMPLES_MAX],
    )


def _server_cpu(server: Server) -> float:
    return cpu_seconds(server.pid) if server.pid is not None else 0.0


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection over a million small objects while the clock runs."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
