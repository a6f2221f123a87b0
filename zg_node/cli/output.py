"""How results are printed: records for people, or JSON for scripts, always on standard output."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import click


def show(record: Mapping[str, object], as_json: bool) -> None:
    """One record: JSON, or a `key  value` line each. A value that is a list of records becomes indented lines."""
    if as_json:
        click.echo(json.dumps(record, indent=2))
        return
    plain = {key: value for key, value in record.items() if not _is_records(value)}
    width = max((len(key) for key in plain), default=0)
    for key, value in plain.items():
        click.echo(f"{_words(key):<{width}}  {_text(value)}")
    for key, value in record.items():
        if _is_records(value):
            assert isinstance(value, Sequence)
            click.echo(f"{_words(key)}")
            show_table(value)


def show_table(records: Sequence[Mapping[str, object]]) -> None:
    """Records with the same keys, as aligned columns under a line of names."""
    if not records:
        return
    rows = [[_words(key) for key in records[0]], *([_text(value) for value in record.values()] for record in records)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _is_records(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and bool(value) and isinstance(value[0], Mapping)


def _words(key: str) -> str:
    return key.replace("_", " ")


def _text(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int() | str():
            return str(value)
        case _:
            return json.dumps(value)
