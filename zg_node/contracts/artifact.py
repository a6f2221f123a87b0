"""The packaged artefacts: what solc made of genesis/contracts. genesis/README.md explains their keys."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import orjson


def runtime(name: str) -> bytes:
    """The deployed code of a contract. Raises FileNotFoundError when this version has none of that name."""
    return bytes.fromhex(_load(name)["runtime"].removeprefix("0x"))


def creation_code(name: str) -> bytes:
    """The creation code, without constructor arguments. Raises FileNotFoundError."""
    return bytes.fromhex(_load(name)["bytecode"].removeprefix("0x"))


def interface(name: str) -> list[dict[str, Any]]:
    """Solidity's JSON ABI. Raises FileNotFoundError."""
    entries: list[dict[str, Any]] = _load(name)["abi"]
    return entries


@cache
def _load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(
        (files("zg_node") / "genesis_data" / "artifacts" / f"{name}.json").read_bytes()
    )
    return document
