"""An HTTP client that says what it is told to, byte for byte where that matters."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Mapping

TIMEOUT_S = 20.0


async def ask(
    port: int, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """(status, body) of one request on a connection of its own."""

    def go() -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        try:
            connection.request(method, target, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    return await asyncio.to_thread(go)


async def send(port: int, raw: bytes) -> bytes:
    """Everything that comes back for these bytes, until the server ends the connection or was sent our end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw)
        writer.write_eof()
        async with asyncio.timeout(TIMEOUT_S):
            return await reader.read()
    finally:
        writer.close()
