"""What asks a command that runs in the foreground to stop."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from zg_node.errors import Unavailable

_PR_SET_PDEATHSIG = 1


def stops() -> tuple[signal.Signals, ...]:
    """Ctrl-C, SIGTERM, and the end of the terminal, unless nohup has us outlive that."""
    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM) if ignored else (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stop_with(parent: int) -> None:
    """Have Linux send this process SIGTERM when `parent`, which started it, ends, however that happens.

    Raises Unavailable when it has ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        raise Unavailable(f"process {parent}, with which this node should stop, did not start it or has ended")
