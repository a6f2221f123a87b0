"""When to give up on a leader, and when to say things again. Time is an argument, in milliseconds.

    a block is due ──▶ start ─ 2Δ·2ᵏ without a proposal ───▶ expired
                             └ 3Δ·2ᵏ without a certificate ─▶ expired
                             └ and standstill_ms more, every standstill_ms ─▶ stalled

k grows with every view beyond two since the last finality. A leader that missed its turn and is silent since gets no
time. The shell has one timer; it is set again only when the next deadline comes sooner than it.
"""

from __future__ import annotations

from zg_node.consensus.instance import Timeouts

_DOUBLINGS_MAX = 16


class Pacemaker:
    """The clockwork of one instance."""

    def __init__(self, timeouts: Timeouts, validators: int) -> None:
        self._timeouts = timeouts
        self._heard_ms: list[int | None] = [None] * validators
        self._missed: dict[int, int] = {}
        """Leader → the last view that it missed, until it is heard again."""
        self.started = False
        """Whether a block is due in the current view, here or for somebody honest."""
        self._leader_at: int | None = None
        self._advance_at: int | None = None
        self._stalled_at: int | None = None
        self._timer_at: int | None = None

    # ── the current view ────────────────────────────────────────────────────────────────────────────────────────────

    def enter(self) -> None:
        """A new view has begun; nothing is due in it yet."""
        self.started = False
        self._leader_at = self._advance_at = self._stalled_at = None

    def start(self, views_since_finality: int, now_ms: int) -> None:
        """A block is due in the current view."""
        self.started = True
        factor = 1 << min(max(views_since_finality - 2, 0), _DOUBLINGS_MAX)  # liveness: exponential back-off
        limit = self._timeouts.timeout_max_ms
        self._leader_at = now_ms + min(2 * self._timeouts.delta_ms * factor, limit)
        self._advance_at = now_ms + min(3 * self._timeouts.delta_ms * factor, limit)
        self._stalled_at = self._advance_at + self._timeouts.standstill_ms

    def expired(self, proposed: bool, now_ms: int) -> bool:
        """Whether the view's time is over; `proposed` says that its leader has spoken."""
        deadline = self._advance_at if proposed else self._leader_at
        return deadline is not None and now_ms >= deadline

    def give_up(self) -> None:
        """We have voted to skip the current view."""
        self._leader_at = self._advance_at = None

    def stalled(self, now_ms: int) -> bool:
        """Whether it is time to say everything again; the next time is set."""
        if self._stalled_at is None or now_ms < self._stalled_at:
            return False
        self._stalled_at = now_ms + self._timeouts.standstill_ms
        return True

    def watch(self, now_ms: int) -> None:
        """Something waits for others although no block is due: see that it does not wait for ever."""
        if self._stalled_at is None:
            self._stalled_at = now_ms + 3 * self._timeouts.delta_ms + self._timeouts.standstill_ms

    def relax(self) -> None:
        """A quorum has decided: what waited for that waits no more."""
        if not self.started:
            self._stalled_at = None

    # ── who is there ────────────────────────────────────────────────────────────────────────────────────────────────

    def heard(self, validator: int, now_ms: int) -> None:
        """It signed something just now."""
        self._heard_ms[validator] = now_ms
        self._missed.pop(validator, None)

    def missed(self, leader: int, view: int) -> None:
        """It led `view`, and no proposal of it has come."""
        self._missed[leader] = view

    def listens_for(self, validator: int, view: int) -> bool:
        """Whether anything that it signed in `view` would be news: it missed a turn before that."""
        return view > self._missed.get(validator, view)

    def silent(self, leader: int, now_ms: int) -> bool:
        """Whether to give it no time at all."""  # liveness: skip_timeout
        if leader not in self._missed:
            return False
        heard = self._heard_ms[leader]
        return heard is None or now_ms - heard > self._timeouts.skip_timeout_ms

    # ── the timer ───────────────────────────────────────────────────────────────────────────────────────────────────

    def fired(self) -> None:
        """The shell's timer is spent."""
        self._timer_at = None

    def timer(self, proposed: bool, other_at: int | None) -> int | None:
        """When to set the shell's timer; None while it is set early enough. `other_at` is somebody else's deadline."""
        next_at = other_at
        for deadline in (self._advance_at if proposed else self._leader_at, self._stalled_at):
            if deadline is not None and (next_at is None or deadline < next_at):
                next_at = deadline
        if next_at is None or (self._timer_at is not None and self._timer_at <= next_at):
            return None
        self._timer_at = next_at
        return next_at
