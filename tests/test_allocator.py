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


def test_a_settled_process_still_collects_cycles_but_not_what_was_there() -> None:
    program = """
import gc, weakref
from zg_node import allocator
class Node: pass
old = Node()
allocator.settle()
assert gc.get_freeze_count() > 0
assert not any(found is old for found in gc.get_objects())
new = Node()
new.itself = new
gone = weakref.ref(new)
del new
kept = [[] for _ in range(allocator.COLLECT_AFTER[0] + 1)]
assert gone() is None
"""
    subprocess.run([sys.executable, "-c", program], check=True)
