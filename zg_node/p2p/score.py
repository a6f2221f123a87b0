"""Points and bans of peers.

A peer has 100 points, loses what an `Offence` costs, and gains 1 point every 6 seconds. At 0 it is banned for an
hour, and twice as long each time again, up to a day. Peers are known by their id, which costs an attacker nothing but
a new key and a new handshake; what one connection can cost us is bounded elsewhere, by buckets and limits.

`ScoreBook` is pure; `BanFile` keeps the bans over restarts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

POINTS_MAX = 100.0
POINTS_PER_S = 1 / 6
BAN_S = 3600
BAN_MAX_S = 24 * 3600
PROTECTED_BAN_S = 30
"""A ban of a protected peer: long enough to shed a flood, short enough for a validator that erred."""
PEERS_MAX = 4096
"""Scores and bans kept; the least interesting make room."""
FILE_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Ban:
    """Why a peer may not connect."""

    until_s: int
    """Unix time."""
    times: int
    """How often it was banned, this time included."""


@dataclass(slots=True)
class _Score:
    points: float
    updated_s: float


class ScoreBook:
    """Scores of peers that ever lost points, and bans. Times are Unix seconds."""

    def __init__(self, bans: Mapping[str, Ban]) -> None:
        self._scores: dict[str, _Score] = {}
        self.bans = dict(bans)
        """By peer id; an entry whose time is over still counts how often."""

    def points(self, peer: str, now_s: float) -> float:
        """0 to 100."""
        score = self._scores.get(peer)
        if score is None:
            return POINTS_MAX
        return min(POINTS_MAX, score.points + max(0.0, now_s - score.updated_s) * POINTS_PER_S)

    def charge(self, peer: str, cost: float, now_s: float, ban_s: int = BAN_S) -> bool:
        """Take points; returns whether that bans the peer, for `ban_s` the first time. What a banned peer sent
        before it was cut off costs nothing more."""
        if self.is_banned(peer, now_s):
            return False
        points = self.points(peer, now_s) - cost
        if points <= 0:
            self._scores.pop(peer, None)
            self._ban(peer, now_s, ban_s)
            return True
        self._scores.pop(peer, None)
        if len(self._scores) >= PEERS_MAX:
            del self._scores[next(iter(self._scores))]
        self._scores[peer] = _Score(points, now_s)
        return False

    def is_banned(self, peer: str, now_s: float) -> bool:
        """Whether the peer may not be connected to."""
        ban = self.bans.get(peer)
        return ban is not None and now_s < ban.until_s

    def _ban(self, peer: str, now_s: float, ban_s: int) -> None:
        past = self.bans.pop(peer, None)
        times = 1 if past is None else past.times + 1
        if len(self.bans) >= PEERS_MAX:
            del self.bans[min(self.bans, key=lambda other: self.bans[other].until_s)]
        length_s = min(BAN_MAX_S, ban_s * 2 ** min(times - 1, 10))
        self.bans[peer] = Ban(int(now_s) + length_s, times)


def encode_bans(bans: Mapping[str, Ban]) -> str:
    """JSON of `{peer id: [until, times]}`."""
    return json.dumps({peer: [ban.until_s, ban.times] for peer, ban in bans.items()}, indent=0, sort_keys=True) + "\n"


def decode_bans(text: str) -> dict[str, Ban]:
    """Parse what `encode_bans` wrote. Raises ValueError."""
    entries = json.loads(text)
    if not isinstance(entries, dict) or len(entries) > PEERS_MAX:
        raise ValueError("not a ban list")
    bans = {}
    for peer, entry in entries.items():
        match entry:
            case [int(until_s), int(times)] if until_s >= 0 and times >= 1:
                bans[peer] = Ban(until_s, times)
            case _:
                raise ValueError(f"not a ban: {peer}")
    return bans


class BanFile:
    """The ban list of a data directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> dict[str, Ban]:
        """The bans; none where the file is missing or damaged, which costs no more than meeting the peers again."""
        try:
            if self.path.stat().st_size > FILE_MAX_BYTES:
                return {}
            return decode_bans(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def save(self, bans: Mapping[str, Ban]) -> None:
        """Replace the file in one step. Raises OSError."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(encode_bans(bans), encoding="utf-8")
        fresh.replace(self.path)
