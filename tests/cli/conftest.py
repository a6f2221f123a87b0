"""A command line that runs in the test's process, and a node that answers what a test wrote down."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from tests.cli.scripted import ScriptedNode, server, serving
from zg_node.cli.app import app


@pytest.fixture
def scripted() -> Iterator[ScriptedNode]:
    node = ScriptedNode()
    with serving(server(node)):
        yield node


@pytest.fixture
def zg() -> Callable[..., Result]:
    """Run `zg-node` with these arguments; a bug is raised, not turned into an exit code."""

    def run(*arguments: object, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run
