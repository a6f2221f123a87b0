"""Running files on worker processes: a window of them at a time, so that memory stays small."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import NamedTuple

from tests.conformance.case import Verdict
from tests.conformance.engines import ENGINES
from tests.conformance.source import SourceFile

WINDOW_PER_WORKER = 4
"""Files that wait or run for each worker."""


class Finished(NamedTuple):
    """A file that has been run."""

    verdicts: list[Verdict]
    done: float


def run(files: Iterable[SourceFile], engines: Sequence[str], forks: Sequence[str], workers: int) -> Iterator[Finished]:
    """Run every case of `files` on each engine for each fork; files come back as they are done."""
    with ProcessPoolExecutor(workers) as pool:
        running: dict[Future[list[Verdict]], float] = {}
        for file in files:
            running[pool.submit(run_file, file.name, file.text, engines, forks)] = file.done
            if len(running) >= WINDOW_PER_WORKER * workers:
                yield from _collect(running)
        while running:
            yield from _collect(running)


def _collect(running: dict[Future[list[Verdict]], float]) -> Iterator[Finished]:
    finished, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in finished:
        yield Finished(future.result(), running.pop(future))


def run_file(name: str, text: str, engines: Sequence[str], forks: Sequence[str]) -> list[Verdict]:
    """Every case of one file; a file that is not a state test is a failed case by its own name."""
    verdicts = []
    for engine in engines:
        for fork in forks:
            try:
                verdicts += ENGINES[engine](text, fork)
            except (ValueError, KeyError) as error:
                verdicts.append(Verdict(engine, fork, name, f"not a state test: {error!r}"))
    return verdicts
