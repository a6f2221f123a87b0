"""Processes that end with the one that started them, however that ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def follow(parent: int, with_signal: signal.Signals) -> bool:
    """Have Linux signal us when `parent`, which started this process, ends; returns whether it is still there."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, with_signal, 0, 0, 0)
    return os.getppid() == parent
