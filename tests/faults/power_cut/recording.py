"""The trace of a process's writes, as shim.c records it, with the marks that the test adds in between."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

_HEAD = struct.Struct("=BiqII")

ACKNOWLEDGED = "A"
"""A client holds the receipts of a block: data = block number (8 bytes) ‖ block hash."""
PROMISED = "V"
"""A vote may be sent from here on: data = the encoded vote."""
STARTED = "P"
"""A new process begins; the descriptors of the old one are gone."""


@dataclass(frozen=True, slots=True)
class Op:
    """One record; see shim.c for the kinds. Paths are relative to the watched directory, which is "" itself."""

    kind: str
    descriptor: int
    number: int
    path: str
    data: bytes


def read_trace(file: Path, root: Path) -> list[Op]:
    """Every whole record; a kill may leave half of one at the end."""
    data, ops, offset = file.read_bytes(), [], 0
    while offset + _HEAD.size <= len(data):
        kind, descriptor, number, path_bytes, data_bytes = _HEAD.unpack_from(data, offset)
        start = offset + _HEAD.size
        offset = start + path_bytes + data_bytes
        if offset > len(data):
            break
        path = _relative(data[start : start + path_bytes], root)
        content = data[start + path_bytes : offset]
        if chr(kind) == "r":
            content = _relative(content, root).encode()
        ops.append(Op(chr(kind), descriptor, number, path, content))
    return ops


def _relative(path: bytes, root: Path) -> str:
    return path.decode().removeprefix(str(root)).removeprefix("/")


class Marks:
    """Appends records of the test's own to a trace that another process is writing."""

    def __init__(self, file: Path) -> None:
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def add(self, kind: str, data: bytes = b"") -> None:
        record = _HEAD.pack(ord(kind), -1, 0, 0, len(data)) + data
        if os.write(self._descriptor, record) != len(record):
            raise OSError("the trace cannot be written")

    def close(self) -> None:
        os.close(self._descriptor)
