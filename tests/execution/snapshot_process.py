"""Installs a snapshot from files, a chunk at a time; to be killed at any moment.

    python -m tests.execution.snapshot_process <shard directory> <folder with chunks> <number> <hash> <root>

Says the index of every chunk that is durable."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tests.execution.epoch_chain import GENESIS, MEMBERS
from zg_node.execution.snapshot import Installation, block_zero


def main() -> None:
    directory, folder, number, block_hash, root = sys.argv[1:]
    target = Installation(Path(directory), lambda scratch: block_zero(GENESIS, 0, MEMBERS.hash(), scratch))
    due = target.open(int(number), bytes.fromhex(block_hash), bytes.fromhex(root))
    click.echo(f"due {due}")
    for index in range(due, len(list(Path(folder).iterdir()))):
        target.add(index, (Path(folder) / str(index)).read_bytes())
        click.echo(f"added {index}")
    target.close()


if __name__ == "__main__":
    main()
