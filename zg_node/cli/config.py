"""`zg-node config`: what can be set, and what is set."""

from __future__ import annotations

import json
from pathlib import Path

import click

from zg_node.cli import home as homes
from zg_node.cli.options import home_option, json_option
from zg_node.config import Settings, load, render


@click.group()
def config() -> None:
    """Show the configuration."""


@config.command()
def default() -> None:
    """Print a configuration file with every default and what it means."""
    click.echo(render(Settings()), nl=False)


@config.command()
@home_option
@click.option(
    "--config",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file to read instead of the data directory's.",
)
@json_option
def show(home: Path, file: Path | None, as_json: bool) -> None:
    """Print what a node would run with: the file's values, and defaults for the rest."""
    settings = load(file or home / homes.CONFIG)
    click.echo(json.dumps(settings.model_dump(), indent=2) if as_json else render(settings), nl=as_json)
