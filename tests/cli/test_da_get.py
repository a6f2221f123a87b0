"""`zg-node da get`: all of a blob, or nothing; and answers that no zg_node gives, to any of the commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.scripted import ScriptedNode
from zg_node import _core
from zg_node.da.messages import commitment_of

Run = Callable[..., Result]

BLOB = b"a blob in pieces"
COMMITMENT = "0x" + commitment_of(_core.Encoding(BLOB).header()).hex()


def answer(length: int, data: bytes) -> dict[str, object]:
    return {"length": hex(length), "data": "0x" + data.hex(), "received": "0x10", "liars": []}


def test_pieces_are_put_together(zg: Run, scripted: ScriptedNode, tmp_path: Path) -> None:
    out = tmp_path / "out"
    scripted.answers = {"zg_daGet": lambda commitment, offset, length: answer(len(BLOB), BLOB[offset : offset + 5])}
    assert zg("da", "get", COMMITMENT, "--out", out, "--rpc", scripted.url).exit_code == 0
    assert out.read_bytes() == BLOB


def test_another_blob_leaves_the_file_as_it_was(zg: Run, scripted: ScriptedNode, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_bytes(b"what was there")
    scripted.answers = {"zg_daGet": answer(len(BLOB), BLOB.upper())}
    result = zg("da", "get", COMMITMENT, "--out", out, "--rpc", scripted.url)
    assert (result.exit_code, "another blob than 0x" in result.stderr) == (1, True)
    assert out.read_bytes() == b"what was there"


@pytest.mark.parametrize(("length", "piece"), [(3, b""), (3, b"four"), (0, b""), ((128 << 20) + 1, b"piece")])
def test_an_answer_of_another_length_leaves_the_file_as_it_was(
    zg: Run, scripted: ScriptedNode, tmp_path: Path, length: int, piece: bytes
) -> None:
    out = tmp_path / "out"
    out.write_bytes(b"what was there")
    scripted.answers = {"zg_daGet": answer(length, piece)}
    result = zg("da", "get", COMMITMENT, "--out", out, "--rpc", scripted.url)
    assert result.exit_code == 1
    assert f"a blob of {length}" in result.stderr
    assert out.read_bytes() == b"what was there"


@pytest.mark.parametrize("nonsense", [5, [], {}, {"length": "0x1", "liars": [{}]}, {"length": "far", "liars": []}])
def test_an_answer_that_is_none_is_a_sentence(
    zg: Run, scripted: ScriptedNode, tmp_path: Path, nonsense: object
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"blob")
    methods = ("zg_daGet", "zg_daStatus", "zg_daHolders", "zg_daProgress")
    scripted.answers = {"zg_daUpload": "0x1", "zg_daStore": "0x2"} | dict.fromkeys(methods, nonsense)
    for command in (
        ("get", COMMITMENT, "--out", tmp_path / "out"),
        ("status", COMMITMENT),
        ("holders",),
        ("put", file),
    ):
        result = zg("da", *command, "--rpc", scripted.url)
        assert (result.exit_code, "something else than a zg_node" in result.stderr) == (1, True)
