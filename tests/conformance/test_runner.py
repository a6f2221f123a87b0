"""The conformance runner around the engines: sources, reports, exit codes."""

from __future__ import annotations

import io
import json
import lzma
import tarfile
from pathlib import Path

import pytest

from tests.conformance import source
from tests.conformance.__main__ import main, report
from tests.conformance.case import Verdict

FILES = {"state_tests/a/one.json": "{}", "state_tests/b/two.json": "{}", "state_tests/b/notes.txt": "no"}


def archive(path: Path) -> Path:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, text in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    path.write_bytes(lzma.compress(packed.getvalue()))
    return path


def test_an_archive_and_its_unpacked_folder_hold_the_same_files(tmp_path: Path) -> None:
    for name, text in FILES.items():
        file = tmp_path / "unpacked" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    packed = [(file.name, file.text) for file in source.read(archive(tmp_path / "tests.tar.xz"))]
    assert packed == [("a/one.json", "{}"), ("b/two.json", "{}")]
    assert packed == [(file.name, file.text) for file in source.read(tmp_path / "unpacked")]


def test_a_file_that_is_no_state_test_fails_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.json").write_text('{"a": 1')
    (tmp_path / "other.json").write_text('{"a": {"b": 1}}')
    rows = tmp_path / "rows.txt"
    assert main([str(tmp_path), "--workers", "1", "--fork", "prague", "--json", str(rows)]) == 1
    printed = capsys.readouterr().out
    assert "FAIL native prague broken.json: not a state test" in printed
    assert "py-evm  prague  0 passed, 2 failed" in printed
    assert {(row["engine"], row["name"]) for row in json.loads(rows.read_text())} == {
        (engine, name) for engine in ("native", "py-evm") for name in ("broken.json", "other.json")
    }


@pytest.mark.parametrize("name", ["absent", "damaged.tar.xz"])
def test_a_source_that_cannot_be_read_is_one_sentence(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "damaged.tar.xz").write_bytes(b"no archive")
    assert main([str(tmp_path / name), "--workers", "1"]) == 2
    assert capsys.readouterr().err.startswith(f"conformance: {tmp_path / name}: ")


def test_no_case_at_all_is_a_failure(tmp_path: Path) -> None:
    assert main([str(tmp_path), "--workers", "1"]) == 1


def test_an_unknown_fork_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(tmp_path), "--fork", "berlin"])
    assert stop.value.code == 2


def test_a_report_counts_by_engine_and_fork() -> None:
    verdicts = [Verdict("native", "osaka", name, error) for name, error in [("a", None), ("b", "why"), ("c", None)]]
    assert report(verdicts, 2.0).splitlines() == [
        "FAIL native osaka b: why",
        "native  osaka   2 passed, 1 failed",
        "3 cases in 2 s",
    ]
