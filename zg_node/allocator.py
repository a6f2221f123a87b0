"""Keeps the C library's allocator from holding memory that nobody uses, and Python's collector from looking for it.

glibc gives every thread an arena of its own and learns to keep ever larger freed blocks. A node's blocks and receipts
are a few megabytes each and pass through a dozen threads: without bounds hundreds of free megabytes stay resident.
The core's own memory is mimalloc's and not concerned.

Python frees by reference counts; its collector only finds cycles, of which a node makes few. At its usual rate it
competes with the parsing of messages for the processor, and a look through all objects delays votes.
"""

from __future__ import annotations

import ctypes
import gc
import sys

ARENAS_MAX = 2
MMAP_FROM_BYTES = 8 * 1024 * 1024
"""Blocks from this size on are mapped for themselves and given back when they are freed. Messages with rows of blobs
are half as long, and would have the system clear fresh pages for every copy."""
KEEP_MAX_BYTES = 64 * 1024 * 1024
"""Free memory at an arena's end that is kept for what comes next, until `trim`."""

COLLECT_AFTER = (50_000, 20, 100)
"""New objects before a look at the young ones; looks of the younger before one at the older; and again."""

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8


def bound() -> None:
    """Set the bounds for this process; threads that began before keep their arenas. Nothing happens without glibc."""
    libc = _glibc()
    if libc is not None:
        libc.mallopt(_M_ARENA_MAX, ARENAS_MAX)
        libc.mallopt(_M_MMAP_THRESHOLD, MMAP_FROM_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, KEEP_MAX_BYTES)


def trim() -> None:
    """Give free pages back to the system; takes milliseconds, with the GIL released."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def settle() -> None:
    """What lives now, after the start, is not looked at again, and the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None
