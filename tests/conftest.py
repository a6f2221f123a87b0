"""Fixtures that several packages' tests share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from tests.devnet import PROGRAM, Devnet


class StartDevnet(Protocol):
    """Starts a development network and waits until it is ready."""

    def __call__(
        self,
        *arguments: str,
        home: Path | None = None,
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = PROGRAM,
    ) -> Devnet: ...


@pytest.fixture
def devnet(tmp_path: Path) -> Iterator[StartDevnet]:
    """Start development networks, each in a fresh directory unless `home` is given; they end with the test."""
    started: list[Devnet] = []

    def start(
        *arguments: str,
        home: Path | None = None,
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = PROGRAM,
    ) -> Devnet:
        place = home or tmp_path / f"devnet-{len(started)}"
        node = Devnet(place, arguments, environment=environment, program=program)
        started.append(node)
        node.start()
        return node

    yield start
    for node in started:
        node.close()
