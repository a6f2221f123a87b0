"""Token buckets: how much a peer may send before its streams are read more slowly.

A bucket holds at most `burst` tokens and gains `rate` of them a second. Taking is never refused: it may leave a debt,
and the answer is how long the taker has to wait until the debt is paid. Reading a socket late is what slows a sender
down, and nothing is lost by it.
"""

from __future__ import annotations

from dataclasses import dataclass

BYTES_PER_S = 32 * 1024 * 1024
BYTES_BURST = 96 * 1024 * 1024
"""Several proposals of the largest size at once."""
MESSAGES_PER_S = 4_000
MESSAGES_BURST = 16_000
QUESTION_COST = 100
"""Messages that a question counts for whose answer takes us a millisecond: 40 a second in the long run."""
PING_COST = 10


@dataclass(slots=True)
class Bucket:
    """One allowance."""

    rate: float
    """Tokens gained a second."""
    burst: float
    """Most tokens held."""
    tokens: float
    """Tokens held at `updated_s`; negative is a debt."""
    updated_s: float

    @classmethod
    def full(cls, rate: float, burst: float, now_s: float) -> Bucket:
        """A bucket that nobody has taken from."""
        return cls(rate, burst, burst, now_s)

    def take(self, amount: float, now_s: float) -> float:
        """Take `amount`; returns the seconds until the bucket is out of debt, 0.0 when it is not in debt."""
        self.tokens = min(self.burst, self.tokens + (now_s - self.updated_s) * self.rate) - amount
        self.updated_s = now_s
        return 0.0 if self.tokens >= 0 else -self.tokens / self.rate
