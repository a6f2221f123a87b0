"""Compiled contracts as tools write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from zg_node.cli.abi import encode_arguments
from zg_node.contracts.abi import canonical_type
from zg_node.errors import InvalidConfig

ARTIFACT_MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Artifact:
    """What it takes to deploy a contract."""

    source: str
    """What errors call it."""
    bytecode: bytes
    constructor: tuple[str, ...]
    """The types of the constructor's parameters."""

    @classmethod
    def load(cls, path: Path) -> Artifact:
        """Read JSON with `bytecode` (text, or an object with `object`) and `abi`, or bare hexadecimal.

        Raises InvalidConfig.
        """
        if path.stat().st_size > ARTIFACT_MAX_BYTES:
            raise InvalidConfig(f"{path} is too large for a compiled contract")
        text = path.read_text(encoding="utf-8", errors="replace").strip()
        if not text.startswith("{"):
            return cls(str(path), _bytecode(text, path), ())
        try:
            document = orjson.loads(text)
        except ValueError as error:
            raise InvalidConfig(f"{path} is not JSON: {error}") from error
        bytecode = document.get("bytecode")
        if isinstance(bytecode, dict):
            bytecode = bytecode.get("object")
        return cls(str(path), _bytecode(bytecode, path), _constructor(document.get("abi"), path))

    def creation_code(self, arguments: Sequence[str]) -> bytes:
        """The bytecode with the constructor's arguments. Raises InvalidConfig when they do not fit."""
        if len(arguments) != len(self.constructor):
            wanted = f"({','.join(self.constructor)})"
            raise InvalidConfig(f"{self.source}: the constructor takes {wanted}, {len(arguments)} arguments are given")
        return self.bytecode + encode_arguments(self.constructor, arguments)


def _bytecode(text: object, path: Path) -> bytes:
    if not isinstance(text, str):
        raise InvalidConfig(f"{path} has no bytecode; name a compiler's artifact or a file of hexadecimal digits")
    if re.search(r"__\$[0-9a-f]{34}\$__", text):
        raise InvalidConfig(f"{path} has unlinked libraries; link them first")
    digits = text.removeprefix("0x")
    if not digits or not re.fullmatch(r"([0-9a-fA-F]{2})+", digits):
        raise InvalidConfig(f"{path} is not a compiled contract: creation code in hexadecimal is expected")
    return bytes.fromhex(digits)


def _constructor(abi: object, path: Path) -> tuple[str, ...]:
    if abi is None:
        return ()
    if not isinstance(abi, list):
        raise InvalidConfig(f"{path}: its abi is not a contract's")
    try:
        entries: list[dict[str, Any]] = [entry for entry in abi if entry["type"] == "constructor"]
        return tuple(canonical_type(parameter) for entry in entries for parameter in entry["inputs"])
    except (KeyError, TypeError, RecursionError) as error:
        raise InvalidConfig(f"{path}: its abi is not a contract's") from error
