"""The command tree: its table of contents, and failures as sentences with exit codes."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator

import click
import pytest
from click.testing import Result

from zg_node.cli import app as application
from zg_node.errors import Corrupt, InvalidConfig, Unavailable

Run = Callable[..., Result]


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def test_help_is_the_table_of_contents(zg: Run) -> None:
    text = zg("--help").output
    for name in application.COMMANDS:
        assert f"\n  {name} " in text


def test_every_command_says_what_it_does() -> None:
    for path, command in commands(application.app):
        assert command.help, path


def test_every_option_has_help() -> None:
    for path, command in commands(application.app):
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, (path, parameter.name)


def test_an_unknown_command_fails(zg: Run) -> None:
    result = zg("devnte")
    assert result.exit_code == 2
    assert "devnte" in result.output


@pytest.mark.parametrize(
    ("error", "exit_code", "sentence"),
    [
        (InvalidConfig("mend this"), 2, "mend this"),
        (Unavailable("come back later"), 1, "come back later"),
        (Corrupt("the log contradicts itself"), 1, "the log contradicts itself"),
        (OSError(errno.EADDRINUSE, "Address already in use"), 1, "the port is in use by another program"),
        (OSError(errno.ENOSPC, "No space left on device", "/data/log"), 1, "/data/log: the disk is full"),
        (OSError(errno.EIO, "Input/output error", "/data/log"), 1, "/data/log: Input/output error"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 1, ""),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_a_failure_is_one_sentence_and_an_exit_code(
    zg: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, exit_code: int, sentence: str
) -> None:
    @click.command()
    def failing() -> None:
        raise error

    monkeypatch.setattr(application.CommandTree, "get_command", lambda *_: failing)
    result = zg("failing")
    assert result.exit_code == exit_code
    assert sentence in result.output
    assert "Traceback" not in result.output
