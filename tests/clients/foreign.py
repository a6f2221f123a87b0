"""Clients of other networks that are compiled: their drivers beside this file, with pinned dependencies.

Each driver takes an address, does all that its client can, and ends with a sentence on standard error if something went
wrong. Programs are built in a cache, so that only the first run takes minutes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
BUILD_TIMEOUT_S = 3_600
RUN_TIMEOUT_S = 180
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zg-node-tests"
CONVENTIONAL = (Path("/usr/local/go/bin"), Path.home() / ".cargo" / "bin")
"""Where tool chains lie that are not in the path."""


def go_driver(name: str) -> Path:
    """A built module of Go."""
    program, go = CACHE / f"{name}-driver", _tool("go")
    _build([go, "mod", "download"], [go, "build", "-mod=readonly", "-o", str(program), "."], HERE / name, {})
    return program


def cargo_driver(name: str) -> Path:
    """A built crate."""
    target, cargo = CACHE / f"{name}-target", _tool("cargo")
    environment = {"CARGO_TARGET_DIR": str(target)}
    _build([cargo, "fetch", "--locked"], [cargo, "build", "--locked", "--offline"], HERE / name, environment)
    return target / "debug" / f"zg-{name}-driver"


def drive(program: Path, address: str) -> None:
    """Run a driver to its end."""
    done = subprocess.run([str(program), address], capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr


def _tool(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, CONVENTIONAL)]))
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def _build(fetch: Sequence[str], build: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Skips when the dependencies cannot be had; a driver that does not compile is a failure."""
    CACHE.mkdir(parents=True, exist_ok=True)
    for command in (fetch, build):
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT_S,
            check=False,
        )
        if done.returncode and command is fetch:
            pytest.skip(f"the dependencies of {folder.name} cannot be downloaded: {done.stderr.strip()[-200:]}")
        assert done.returncode == 0, done.stderr
