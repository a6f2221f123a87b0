"""Who may call zg_da*: storing costs the node's coins, so not everybody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.da.test_service import Nodes
from tests.rpc.doubles import MemoryChain, make_node
from tests.rpc.harness import connected, post, serving
from zg_node.da.service import DataAvailability
from zg_node.errors import Unavailable, ZgError
from zg_node.rpc.api import Context
from zg_node.rpc.methods.da import METHODS
from zg_node.rpc.params import Arguments

STORING = ("zg_daPut", "zg_daUpload", "zg_daPiece", "zg_daStore")


class Asker:
    """The parts of a Context that these methods look at."""

    def __init__(self, service: DataAvailability | None, *, local: bool, from_anywhere: bool) -> None:
        self.node = self
        self.da = service
        self.local = local
        self.da_from_anywhere = from_anywhere
        self.shard = SimpleNamespace(chain=SimpleNamespace(shard=0))


def refusal(method: str, asker: Asker) -> str | None:
    """Why a call without arguments is refused before it is looked at; None when it is looked at."""
    context: Context = asker  # type: ignore[assignment]
    try:
        METHODS[method].handler(context, Arguments(()))
    except ZgError as error:
        return None if "missing value" in str(error) else str(error)
    raise AssertionError("a call without arguments succeeded")


def on(home: Path, check: Callable[[DataAvailability], None]) -> None:
    async def main() -> None:
        (home / "0").mkdir()
        nodes = Nodes(home, 1)
        try:
            check(nodes.services[0])
        finally:
            await nodes.close()

    asyncio.run(main())


@pytest.mark.parametrize("method", STORING)
def test_strangers_store_only_where_the_operator_allows_it(method: str, tmp_path: Path) -> None:
    def check(service: DataAvailability) -> None:
        assert "on its own machine only" in str(refusal(method, Asker(service, local=False, from_anywhere=False)))
        for local, from_anywhere in ((True, False), (False, True)):
            assert refusal(method, Asker(service, local=local, from_anywhere=from_anywhere)) is None

    on(tmp_path, check)


@pytest.mark.parametrize("method", ["zg_daGet", "zg_daStatus", "zg_daProgress"])
def test_anybody_may_read(method: str, tmp_path: Path) -> None:
    def check(service: DataAvailability) -> None:
        assert refusal(method, Asker(service, local=False, from_anywhere=False)) is None

    on(tmp_path, check)


@pytest.mark.parametrize("method", METHODS)
def test_a_node_that_takes_no_part_says_so(method: str) -> None:
    assert "switched off" in str(refusal(method, Asker(None, local=True, from_anywhere=True)))


def posted(path: str, piece: bytes, headers: str = "") -> bytes:
    """A piece in a POST request."""
    return post(piece, path, headers).replace(b"application/json", b"application/octet-stream")


def test_a_blob_comes_in_pieces_that_are_posted_as_they_are(tmp_path: Path) -> None:
    blob = bytes(range(256)) * 1000

    async def main() -> None:
        (tmp_path / "0").mkdir()
        nodes = Nodes(tmp_path, 1)
        try:
            node = replace(make_node(MemoryChain()), da=nodes.services[0])
            async with serving(node=node) as server, connected(server) as client:
                upload = (await client.call("zg_daUpload", len(blob)))["result"]
                path = f"/da/{int(upload, 16)}"
                for offset in (0, 200_000):
                    answer = await client.ask(posted(f"{path}/{offset}", blob[offset : offset + 200_000]))
                    assert answer.json["result"] == hex(min(offset + 200_000, len(blob)))
                refused = await client.ask(posted(f"{path}/300000", b"more"))
                assert "256000 of 256000 bytes are here" in refused.json["error"]["message"]
                stranger = await client.ask(posted(f"{path}/0", b"", "x-forwarded-for: 203.0.113.7\r\n"))
                assert "on its own machine only" in stranger.json["error"]["message"]
                assert nodes.services[0].uploads.take(int(upload, 16)) == blob
        finally:
            await nodes.close()

    asyncio.run(main())


def test_a_full_queue_leaves_the_upload_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zg_node.da.service.PUTS_WAITING_MAX", 0)

    def check(service: DataAvailability) -> None:
        upload = service.uploads.begin(1)
        service.uploads.add(upload, 0, b"x")
        context: Context = Asker(service, local=True, from_anywhere=False)  # type: ignore[assignment]
        with pytest.raises(Unavailable, match="too many blobs"):
            METHODS["zg_daStore"].handler(context, Arguments((hex(upload),)))
        assert service.uploads.take(upload) == b"x"

    on(tmp_path, check)
