"""The committed artefacts are what the sources compile to, and fit to be predeployed."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
GENESIS = ROOT / "genesis"
ARTIFACTS = sorted((ROOT / "zg_node" / "genesis_data" / "artifacts").glob("*.json"))
IMPORT = re.compile(r'^import\s[^"]*"(\.[^"]+)";', re.MULTILINE)


def load(path: Path) -> dict[str, Any]:
    artifact: dict[str, Any] = json.loads(path.read_text())
    return artifact


def closure(source: str) -> set[str]:
    """The source and all that it imports, as paths below genesis/."""
    found: set[str] = set()
    waiting = [source]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            imported = IMPORT.findall((GENESIS / path).read_text())
            waiting += [posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) for name in imported]
    return found


def test_every_source_with_code_has_an_artifact() -> None:
    sources = {path.relative_to(GENESIS).as_posix() for path in GENESIS.glob("contracts/*/*.sol")}
    with_code = {source for source in sources if re.search(r"^contract ", (GENESIS / source).read_text(), re.MULTILINE)}
    assert {load(path)["source"] for path in ARTIFACTS} == with_code


@pytest.mark.parametrize("path", ARTIFACTS, ids=lambda path: path.stem)
def test_source_hash_matches_the_source(path: Path) -> None:
    artifact = load(path)
    digest = hashlib.sha256()
    for name in sorted(closure(artifact["source"])):
        digest.update(f"{name}\0{(GENESIS / name).read_text()}\0".encode())
    assert artifact["source_hash"] == digest.hexdigest(), "run `make contracts`"
    assert artifact["contract"] == path.stem
    assert artifact["compiler"].startswith("solc 0.8.37+")


def test_recompiling_changes_nothing() -> None:
    if shutil.which("node") is None or not (GENESIS / "node_modules" / "solc").is_dir():
        pytest.skip("node and `make contracts` are needed to recompile; the source hashes were checked")
    checked = subprocess.run(
        ["node", "compile.mjs", "--check"], cwd=GENESIS, capture_output=True, text=True, timeout=300, check=False
    )
    assert checked.returncode == 0, checked.stderr


def test_lock_file_names_no_registry() -> None:
    for folder in ("genesis", "benchmarks", "tests/clients"):
        assert "resolved" not in (ROOT / folder / "package-lock.json").read_text()


@pytest.mark.parametrize("name", ["Staking", "ValidatorContract", "DataAvailability", "DataVerifier"])
def test_the_protocols_contracts_are_fit_to_be_predeployed(name: str) -> None:
    """No immutables, which are zero in a runtime code, and no more code than a creation may leave (EIP-170)."""
    artifact = load(ROOT / "zg_node" / "genesis_data" / "artifacts" / f"{name}.json")
    runtime = artifact["runtime"].removeprefix("0x")
    assert artifact["bytecode"].endswith(runtime)
    assert len(runtime) // 2 <= 24_576
    assert "immutable" not in (GENESIS / artifact["source"]).read_text()
