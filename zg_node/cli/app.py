"""The command tree, and the one place where failures become sentences and exit codes.

    InvalidConfig                         exit code 2: the operator mends something
    another ZgError, an OSError           exit code 1
    Ctrl-C                                exit code 130
    a bug                                 a traceback

A group's module is imported when one of its commands runs, so that a quick command does not pay for the node.
"""

from __future__ import annotations

import errno
import importlib
import os
from typing import NoReturn

import click

from zg_node.errors import InvalidConfig, ZgError

COMMANDS = {
    "devnet": "zg_node.cli.devnet:devnet",
    "testnet": "zg_node.cli.testnet:testnet",
    "init": "zg_node.cli.init:init",
    "start": "zg_node.cli.start:start",
    "status": "zg_node.cli.status:status",
    "keys": "zg_node.cli.keys:keys",
    "account": "zg_node.cli.account:account",
    "tx": "zg_node.cli.tx:tx",
    "validator": "zg_node.cli.validator:validator",
    "da": "zg_node.cli.da:da",
    "db": "zg_node.cli.db:db",
    "config": "zg_node.cli.config:config",
    "bench": "zg_node.cli.bench:bench",
}
"""Command → module and attribute, in the order of a newcomer's way."""

ERRNO_SENTENCES = {
    errno.EADDRINUSE: "the port is in use by another program; stop it, or choose another port",
    errno.ENOSPC: "the disk is full; free some space and start again: nothing that was final is lost",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
}


class Failure(click.ClickException):
    """A failure that is already a sentence."""


class ConfigFailure(Failure):
    """A failure that the operator mends before trying again."""

    exit_code = 2


class CommandTree(click.Group):
    """A group whose commands are imported on use, and whose failures are mapped."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except InvalidConfig as error:
            raise ConfigFailure(str(error)) from error
        except ZgError as error:
            raise Failure(str(error) or type(error).__name__) from error
        except KeyboardInterrupt:
            ctx.exit(130)
        except BrokenPipeError:
            raise  # click ends quietly when the reader has gone
        except OSError as error:
            _raise_os_failure(error)


@click.group(cls=CommandTree, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="zg-node", prog_name="zg-node")
def app() -> None:
    """Run a zg_node: EVM shards with instant finality, JSON-RPC, and the tools around them.

    Begin with `zg-node devnet`: a development network with ten funded accounts on http://127.0.0.1:8545.
    """


def main() -> None:
    """The `zg-node` program."""
    app(prog_name="zg-node")


def _raise_os_failure(error: OSError) -> NoReturn:
    number = error.errno or _errno_in(str(error))
    what = ERRNO_SENTENCES.get(number or 0, error.strerror or str(error))
    raise Failure(f"{error.filename}: {what}" if error.filename else what) from error


def _errno_in(text: str) -> int | None:
    """The number of the failure that LevelDB gives in words, at the end of its message."""
    return next((number for number in ERRNO_SENTENCES if text.endswith(os.strerror(number))), None)
