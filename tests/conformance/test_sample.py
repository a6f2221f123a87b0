"""The pinned sample of the public state tests, on both engines."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conformance import sample, source
from tests.conformance.case import Verdict
from tests.conformance.engines import ENGINES

ARCHIVE = Path(__file__).parents[3] / "shared" / "fixtures" / "eest-v5.4.0-state_tests.tar.xz"
"""Where the archive is looked for when ZG_FIXTURES does not say."""

HOW_TO_GET_IT = (
    "the state tests are not at {path}: download fixtures_stable of release v5.4.0 of ethereum/execution-spec-tests "
    "and set ZG_FIXTURES to the archive or to its unpacked state_tests folder"
)


@pytest.fixture(scope="module")
def texts() -> Mapping[str, str]:
    """The sample's files by name."""
    path = Path(os.environ.get("ZG_FIXTURES", ARCHIVE))
    if not path.exists():
        pytest.skip(HOW_TO_GET_IT.format(path=path))
    wanted = {case.file for case in sample.load()}
    return {file.name: file.text for file in source.read(path) if file.name in wanted}


@pytest.mark.parametrize(
    ("engine", "fork"),
    [("native", "osaka"), ("native", "prague"), ("native", "cancun"), ("py-evm", "prague"), ("py-evm", "cancun")],
)
def test_the_pinned_state_tests_pass(engine: str, fork: str, texts: Mapping[str, str]) -> None:
    cases = [case for case in sample.load() if (case.engine, case.fork) == (engine, fork)]
    assert len(cases) >= 30
    verdicts: list[Verdict] = []
    for case in cases:
        verdicts += ENGINES[engine](sample.only(texts[case.file], [case.name]), fork)
    assert [verdict.name for verdict in verdicts] == [case.name for case in cases]
    assert [(verdict.name, verdict.error) for verdict in verdicts if verdict.error is not None] == []


def test_a_wrong_expectation_is_noticed(texts: Mapping[str, str]) -> None:
    """A runner that passes everything would pass the sample too."""
    for engine, run in ENGINES.items():
        case = next(c for c in sample.load() if (c.engine, c.fork) == (engine, "prague"))
        text = sample.only(texts[case.file], [case.name])
        for field in ('"hash": "0x', '"logs": "0x'):
            index = text.index(field) + len(field)
            wrong = text[:index] + ("1" if text[index] == "0" else "0") + text[index + 1 :]
            assert [verdict.error for verdict in run(wrong, "prague")] != [None]
