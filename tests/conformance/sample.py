"""The pinned sample that `make test` runs: sample.tsv, one case a line as engine, fork, file, name.

`python -m tests.conformance.sample PATH > tests/conformance/sample.tsv` picks it again from a release: on revm one case
a folder and fork; on py-evm one case with little gas a folder, the folders taking turns between its forks. Among a
folder's cases those with little gas in small files come first, then the order is that of a hash.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from tests.conformance import source
from tests.conformance.case import FORKS, number, posts
from tests.conformance.engines import PYEVM_FORKS

LIST = Path(__file__).with_name("sample.tsv")
GAS_SMALL = 2_000_000
FILE_SMALL_CHARACTERS = 300_000


class Pinned(NamedTuple):
    """A case of the sample."""

    engine: str
    fork: str
    file: str
    """Below the release's folder of state tests."""
    name: str


def load() -> tuple[Pinned, ...]:
    """The committed sample."""
    return tuple(Pinned(*line.split("\t")) for line in LIST.read_text().splitlines())


def only(text: str, names: Iterable[str]) -> str:
    """A fixture file's text reduced to these tests."""
    wanted = set(names)
    return json.dumps({name: test for name, test in json.loads(text).items() if name in wanted})


def pick(files: Iterable[source.SourceFile]) -> Iterator[Pinned]:
    """A sample of `files`, in order."""
    folders: dict[str, dict[str, list[tuple[tuple[bool, bool, str], Pinned]]]] = {}
    for file in files:
        by_fork = folders.setdefault(str(PurePosixPath(file.name).parent), {})
        large = len(file.text) > FILE_SMALL_CHARACTERS
        for name, test in json.loads(file.text).items():
            for fork in FORKS:
                if len(posts(test, fork)) == 1:
                    rank = (_gas(test) > GAS_SMALL, large, hashlib.sha256(name.encode()).hexdigest())
                    by_fork.setdefault(fork, []).append((rank, Pinned("native", fork, file.name, name)))
    for index, (_, by_fork) in enumerate(sorted(folders.items())):
        for fork in FORKS:
            if by_fork.get(fork):
                yield min(by_fork[fork])[1]
        fork = list(PYEVM_FORKS)[index % len(PYEVM_FORKS)]
        quick = [(rank, case) for rank, case in by_fork.get(fork, []) if not rank[0]]
        if quick:
            yield min(quick)[1]._replace(engine="py-evm")


def _gas(test: dict[str, Any]) -> int:
    return max(map(number, test["transaction"]["gasLimit"]))


if __name__ == "__main__":
    sys.stdout.writelines("\t".join(case) + "\n" for case in pick(source.read(Path(sys.argv[1]))))
