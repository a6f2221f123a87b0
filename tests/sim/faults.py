"""Everything that goes wrong without anybody meaning it: one function a kind, which begins it and returns its end.

    weather   delay · loss · duplication · reordering · split · isolation · asymmetric · flapping
    machines  kill · power cut (inside a write, a sync, or between) · pause · slow execution · clock jump · clock drift
    disks     full · and, on nodes that count as faulty: lost syncs · bit rot · diverging execution

A node whose disk lies or rots or whose engine diverges may do anything: it comes out of the attackers' budget.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from tests.sim.clock import NodeClock
from tests.sim.disk import VirtualDisk
from tests.sim.network import Links, deafen, split
from tests.sim.timeline import Scheduler
from tests.sim.trace import Trace

FLAP_S = 0.15
POWER_CUT_WITHIN_OPERATIONS = 12
RESTART_S = (0.05, 0.6)


class Machine(Protocol):
    """A node as faults see it."""

    number: int
    disk: VirtualDisk
    clock: NodeClock
    slowness_s: float
    """The most that executing a block takes beyond the usual."""
    diverging: bool
    """Whether the engine fails on some blocks that the others find sound."""

    @property
    def up(self) -> bool: ...

    def start(self) -> None:
        """Start the process unless it runs; what the node says when it cannot is in the trace."""

    def kill(self, *, power: bool) -> None:
        """End the process; without power the disk forgets what was not synced."""

    def pause(self, seconds: float) -> None:
        """Stop the process as SIGSTOP does; what arrives waits."""


class World(Protocol):
    """A running schedule as faults see it."""

    links: Links
    trace: Trace

    @property
    def scheduler(self) -> Scheduler: ...

    @property
    def nodes(self) -> Sequence[Machine]: ...


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong."""

    number: int
    kind: str
    at_s: float
    lasts_s: float
    node: int
    """Whom it hits, where it hits one."""
    seed: int

    def __str__(self) -> str:
        return f"{self.kind} (node {self.node}) from {self.at_s:.2f} s for {self.lasts_s:.2f} s"


End = Callable[[], None]
Begin = Callable[[World, Fault, Random], End]


def inflict(world: World, fault: Fault) -> None:
    """Begin and end `fault` when its time comes."""

    def begin() -> None:
        world.trace.add(world.scheduler.time(), "fault", f"begins: {fault}")
        world.scheduler.call_later(fault.lasts_s, end, KINDS[fault.kind](world, fault, Random(fault.seed)))

    def end(undo: End) -> None:
        world.trace.add(world.scheduler.time(), "fault", f"ends: {fault.kind} ({fault.number})")
        undo()

    world.scheduler.call_later(fault.at_s, begin)


# ── weather ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _weather(attribute: str, low: float, high: float) -> Begin:
    def begin(world: World, fault: Fault, rng: Random) -> End:
        setattr(world.links, attribute, rng.uniform(low, high))
        return lambda: setattr(world.links, attribute, 0.0)

    return begin


def _cut(world: World, fault: Fault, pairs: frozenset[tuple[int, int]]) -> End:
    world.links.cuts[fault.number] = pairs

    def end() -> None:
        world.links.cuts.pop(fault.number, None)

    return end


def _split(world: World, fault: Fault, rng: Random) -> End:
    numbers = [node.number for node in world.nodes]
    rng.shuffle(numbers)
    half = len(numbers) // 2
    return _cut(world, fault, split(numbers[:half], numbers[half:]))


def _isolation(world: World, fault: Fault, rng: Random) -> End:
    return _cut(world, fault, split([fault.node], [n.number for n in world.nodes if n.number != fault.node]))


def _asymmetric(world: World, fault: Fault, rng: Random) -> End:
    return _cut(world, fault, deafen(fault.node, [node.number for node in world.nodes]))


def _flapping(world: World, fault: Fault, rng: Random) -> End:
    over = False

    def flap(undo: End | None) -> None:
        if over:
            return
        if undo is not None:
            undo()
        following = _split(world, fault, rng) if undo is None else None
        world.scheduler.call_later(rng.uniform(0.3, 1) * FLAP_S, flap, following)

    def end() -> None:
        nonlocal over
        over = True
        world.links.cuts.pop(fault.number, None)

    flap(None)
    return end


# ── machines ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _kill(world: World, fault: Fault, rng: Random) -> End:
    node = world.nodes[fault.node]
    node.kill(power=rng.random() < 0.5)
    return node.start


def _power_cut(world: World, fault: Fault, rng: Random) -> End:
    """The power goes at some operation of the disk to come, and comes back a little later, again and again."""
    node = world.nodes[fault.node]
    over = False

    def arm() -> None:
        if over:
            return
        if node.up:
            node.disk.cut_after = rng.randint(0, POWER_CUT_WITHIN_OPERATIONS)
        else:
            node.start()
        world.scheduler.call_later(rng.uniform(*RESTART_S), arm)

    def end() -> None:
        nonlocal over
        over = True
        node.disk.cut_after = None
        node.start()

    arm()
    return end


def _pause(world: World, fault: Fault, rng: Random) -> End:
    world.nodes[fault.node].pause(fault.lasts_s)
    return lambda: None


def _slow(world: World, fault: Fault, rng: Random) -> End:
    node = world.nodes[fault.node]
    node.slowness_s = rng.uniform(0.05, 0.4)

    def end() -> None:
        node.slowness_s = 0.0

    return end


def _clock_jump(world: World, fault: Fault, rng: Random) -> End:
    clock = world.nodes[fault.node].clock
    clock.offset_ms += rng.choice((-1, 1)) * rng.randint(100, 3_600_000)

    def end() -> None:
        clock.offset_ms = 0

    return end


def _clock_drift(world: World, fault: Fault, rng: Random) -> End:
    clock = world.nodes[fault.node].clock
    clock.drift = rng.uniform(-0.05, 0.05)

    def end() -> None:
        clock.drift = 0.0

    return end


# ── disks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _full(world: World, fault: Fault, rng: Random) -> End:
    node = world.nodes[fault.node]
    node.disk.capacity = node.disk.used() + rng.randint(0, 400)

    def end() -> None:
        node.disk.capacity = None
        node.start()

    return end


def _lost_syncs(world: World, fault: Fault, rng: Random) -> End:
    """The disk says that it synced, and has not when the power goes."""
    node = world.nodes[fault.node]
    node.disk.deaf = True

    def end() -> None:
        node.kill(power=False)
        node.disk.deaf = False
        node.start()

    return end


def _rot(world: World, fault: Fault, rng: Random) -> End:
    node = world.nodes[fault.node]
    node.kill(power=True)
    node.disk.rot()
    return node.start


def _diverging(world: World, fault: Fault, rng: Random) -> End:
    node = world.nodes[fault.node]
    node.diverging = True

    def end() -> None:
        node.diverging = False

    return end


WEATHER: dict[str, Begin] = {
    "delay": _weather("extra_delay_s", 0.02, 0.3),
    "loss": _weather("loss", 0.02, 0.5),
    "duplication": _weather("duplication", 0.1, 0.7),
    "reordering": _weather("reordering", 0.1, 0.6),
    "split": _split,
    "isolation": _isolation,
    "asymmetric": _asymmetric,
    "flapping": _flapping,
}
MACHINES: dict[str, Begin] = {
    "kill": _kill,
    "power cut": _power_cut,
    "pause": _pause,
    "slow execution": _slow,
    "clock jump": _clock_jump,
    "clock drift": _clock_drift,
    "full disk": _full,
}
UNSOUND: dict[str, Begin] = {"lost syncs": _lost_syncs, "bit rot": _rot, "diverging execution": _diverging}
"""Whom these hit counts as faulty."""
LASTING: dict[str, Begin] = {"absence": _kill}
"""What only some schedules have: see `plan`."""
KINDS: dict[str, Begin] = {**WEATHER, **MACHINES, **UNSOUND, **LASTING}
