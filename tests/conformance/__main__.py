"""`python -m tests.conformance PATH`: run the public execution-spec state tests on both engines."""

from __future__ import annotations

import argparse
import json
import lzma
import os
import sys
import tarfile
import time
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.conformance import source
from tests.conformance.case import FORKS, Verdict
from tests.conformance.engines import ENGINES
from tests.conformance.run import run

BAR_COLUMNS = 40


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, report, and return the exit code: 0 when every case passed, 1 when not, 2 for bad arguments."""
    options = _parser().parse_args(arguments)
    engines = tuple(ENGINES) if options.engine == "both" else (options.engine,)
    progress = _bar if sys.stderr.isatty() else _silence
    verdicts: list[Verdict] = []
    started = time.monotonic()
    try:
        for finished in run(source.read(options.path), engines, options.fork, options.workers):
            verdicts += finished.verdicts
            failures = sum(verdict.error is not None for verdict in verdicts)
            progress(finished.done, len(verdicts), failures)
    except (OSError, EOFError, tarfile.TarError, lzma.LZMAError, zlib.error) as error:
        sys.stderr.write(f"conformance: {options.path}: {error}\n")
        return 2
    sys.stdout.write(report(verdicts, time.monotonic() - started) + "\n")
    if options.json is not None:
        options.json.write_text(_json(verdicts))
    return 0 if verdicts and all(verdict.error is None for verdict in verdicts) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("path", type=Path, metavar="PATH", help="a release's .tar.xz archive, a directory, or a file")
    parser.add_argument("--engine", choices=[*ENGINES, "both"], default="both")
    parser.add_argument(
        "--fork", type=_forks, default=FORKS, help=f"comma-separated, of {', '.join(FORKS)}; all of them by default"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every verdict here")
    return parser


def _forks(text: str) -> tuple[str, ...]:
    forks = tuple(text.lower().split(","))
    if not set(forks) <= set(FORKS):
        raise argparse.ArgumentTypeError(f"{text!r}: forks are {', '.join(FORKS)}")
    return forks


def report(verdicts: Sequence[Verdict], seconds: float) -> str:
    """Failing cases by name, then counts by engine and fork."""
    lines = [f"FAIL {v.engine} {v.fork} {v.name}: {v.error}" for v in verdicts if v.error is not None]
    counts = Counter((v.engine, v.fork, v.error is None) for v in verdicts)
    for engine, fork in sorted({(v.engine, v.fork) for v in verdicts}):
        passed, failed = counts[engine, fork, True], counts[engine, fork, False]
        lines.append(f"{engine:7} {fork:7} {passed} passed, {failed} failed")
    lines.append(f"{len(verdicts)} cases in {seconds:.0f} s")
    return "\n".join(lines)


def _json(verdicts: Sequence[Verdict]) -> str:
    rows = [{"engine": v.engine, "fork": v.fork, "name": v.name, "error": v.error} for v in verdicts]
    return json.dumps(rows, indent=1)


def _bar(done: float, cases: int, failures: int) -> None:
    filled = round(BAR_COLUMNS * done)
    bar = "█" * filled + "░" * (BAR_COLUMNS - filled)
    sys.stderr.write(f"\r{bar} {done:4.0%}  {cases} cases, {failures} failed " + ("\n" if done == 1.0 else ""))
    sys.stderr.flush()


def _silence(done: float, cases: int, failures: int) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
