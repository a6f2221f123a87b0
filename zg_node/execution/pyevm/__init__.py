"""py-evm at Prague rules as a second execution engine: slow, readable, and written by other people than revm.

    _core.State ──view──▶ accounts ◀──▶ transition (py-evm) ──▶ receipts, diff ──▶ _core.Engine.seal ──▶ Executed

| module | what it holds |
|---|---|
| `view` | what execution reads, and `_core.State` seen that way |
| `accounts` | py-evm's account database: a journal over a view |
| `rules` | what makes a transaction invalid, where py-evm itself does not look |
| `machine` | py-evm's machine over that database, by fork |
| `transition` | a block's system calls and transactions on that machine |
| `encoding` | accounts to a state diff, receipts to bytes |
| `engine` | the `Engine` Protocol over all of it |
"""

import os

# `eth_hash.auto` takes pycryptodome, five times slower, unless told otherwise before py-evm is imported.
os.environ.setdefault("ETH_HASH_BACKEND", "pysha3")

from zg_node.execution.pyevm.engine import PyEvmEngine

__all__ = ["PyEvmEngine"]
