"""The gateways of a node: what the configuration switches on, started and closed together."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final

from zg_node.config import MIB, GatewaySettings
from zg_node.da.service import DataAvailability
from zg_node.errors import InvalidConfig
from zg_node.gateway.altda import AltDa
from zg_node.gateway.blobs import Blobs
from zg_node.gateway.celestia import Celestia
from zg_node.gateway.celestia_session import CelestiaSession
from zg_node.gateway.channel import Channel
from zg_node.gateway.heights import Heights
from zg_node.gateway.http import HttpServer, Route, Talk
from zg_node.gateway.keccak import KeccakIndex
from zg_node.gateway.requests import Requests

log = logging.getLogger("zg.gateway")

JSON_SLACK_BYTES: Final = 65_536
"""Of a JSON body around its blobs, which base64 makes larger by a third."""


class Gateways:
    """Create, start and close them on the event loop."""

    def __init__(
        self, settings: GatewaySettings, home: Path, service: DataAvailability, head: Callable[[], int]
    ) -> None:
        """`head` is the number of the final root block; what has to be kept lies under `home`."""
        self._settings = settings
        self._home = home
        self._blobs = Blobs(service, settings.quorum, settings.epochs, settings.blob_max_mb * MIB, head)
        self._open = AsyncExitStack()
        self.ports: dict[str, int] = {}
        """Of those that listen, by name: disperser, altda, celestia."""

    async def start(self) -> None:
        """Listen where the settings say so. Raises InvalidConfig, Corrupt, OSError; `close` is due all the same."""
        settings, blobs = self._settings, self._blobs
        if settings.disperser:
            await self._start_disperser()
        if settings.altda:
            keccaks = KeccakIndex(self._home / "gateway" / "keccak")
            self._open.callback(keccaks.close)
            await self._serve("altda", AltDa(blobs, keccaks).route, blobs.max_bytes, settings.altda_port)
        if settings.celestia:
            body_max_bytes = blobs.max_bytes * 4 // 3 + JSON_SLACK_BYTES
            celestia = Celestia(Heights(blobs))
            port = settings.celestia_port
            await self._serve("celestia", celestia.route, body_max_bytes, port, partial(_talk, celestia))

    async def close(self) -> None:
        """Stop listening, end connections, close what is kept. Safe to call twice."""
        await self._open.aclose()

    async def _start_disperser(self) -> None:
        try:
            from zg_node.gateway.disperser import DisperserServer
        except ModuleNotFoundError as error:
            raise InvalidConfig(f"gateway.disperser needs {error.name}: pip install 'zg-node[gateway]'") from error
        requests = Requests(self._home / "gateway" / "requests")
        self._open.callback(requests.close)
        server = DisperserServer(self._blobs, requests, self._settings.host, self._settings.disperser_port)
        self._open.push_async_callback(server.close)
        await server.start()
        self._listening("disperser", server.port)

    async def _serve(self, name: str, route: Route, body_max_bytes: int, port: int, talk: Talk | None = None) -> None:
        server = HttpServer(route, body_max_bytes, self._settings.allowed_hosts, talk)
        self._open.push_async_callback(server.close)
        await server.start(self._settings.host, port)
        self._listening(name, server.port)

    def _listening(self, name: str, port: int) -> None:
        self.ports[name] = port
        log.info("gateway=%s host=%s port=%d", name, self._settings.host, port)


async def _talk(celestia: Celestia, channel: Channel) -> None:
    await CelestiaSession(celestia, channel).run()
