from dataclasses import replace
from pathlib import Path

import pytest

from zg_node.errors import InvalidMessage
from zg_node.p2p.settings import P2pSettings, decode_settings

SETTINGS = P2pSettings(
    listen="/ip4/127.0.0.1/tcp/0",
    bootstrap=("/ip4/127.0.0.1/tcp/1/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5",),
    identity=bytes(range(32)),
    home=Path("/data/p2p"),
    network="0123456789abcdef",
    shards=2,
    fast_path=False,
)


def test_settings_reach_the_host_as_they_are() -> None:
    assert decode_settings(SETTINGS.encode(("/zg/a/1",), 20)) == (SETTINGS, ("/zg/a/1",), 20)


def test_the_identity_is_not_printed() -> None:
    assert SETTINGS.identity.hex() not in repr(SETTINGS)
    assert repr(SETTINGS.identity) not in repr(SETTINGS)


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"null", b'{"protocols": []}', b"\xff"])
def test_anything_else_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidMessage):
        decode_settings(text)


def test_an_identity_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="32 bytes"):
        decode_settings(replace(SETTINGS, identity=b"short").encode((), 20))
