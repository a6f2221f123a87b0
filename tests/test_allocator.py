from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import threading, sys
from zg_node import allocator
if sys.argv[1] == "bound":
    allocator.bound()
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
def fill():
    kept.append([bytes(700_000) + b"x" for _ in range(40)])
kept = []
before = resident()
for _ in range(6):
    thread = threading.Thread(target=fill)
    thread.start()
    thread.join()
keep = [chunk[-1] for chunk in kept]
kept.clear()
if sys.argv[1] == "bound":
    allocator.trim()
print(resident() - before)
"""


def resident_after(mode: str) -> int:
    done = subprocess.run([sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_freed_blocks_of_many_threads_go_back_to_the_system() -> None:
    assert resident_after("bound") < 24 * 1024 * 1024
