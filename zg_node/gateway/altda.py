"""The OP Stack's alt-DA server, and the EigenDA proxy's standard mode, on one HTTP port.

    POST /put, /put/             blob       → 200, the generic commitment's bytes
    POST /put/0x00<keccak>       blob       → 200 when the keccak-256 is the blob's
    GET  /get/0x<commitment>                → 200, the blob
    GET  /health                            → 200
    ?commitment_mode=standard    on /put and /get: commitments as the proxy's standard mode has them

400 for what does not parse, 404 for a blob that no certificate of that epoch and quorum names any more, 413 and 503 as
in HTTP: after a 503 a batcher tries again, or falls back on Ethereum.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, urlsplit

from zg_node.errors import InvalidRequest, Unavailable
from zg_node.gateway.blobs import Blobs, UnknownBlob
from zg_node.gateway.http import Request, Response, text
from zg_node.gateway.keccak import KeccakIndex
from zg_node.gateway.locator import Keccak, Locator, Mode, parse
from zg_node.types.hashing import keccak

MODES: Final = {
    "optimism": Mode.OPTIMISM,
    "optimism_generic": Mode.OPTIMISM,
    "optimism_keccak256": Mode.OPTIMISM,
    "standard": Mode.STANDARD,
}
"""Of `commitment_mode`, which defaults to the OP Stack's."""


class AltDa:
    """Requests to responses."""

    def __init__(self, blobs: Blobs, keccaks: KeccakIndex) -> None:
        self._blobs = blobs
        self._keccaks = keccaks

    async def route(self, request: Request) -> Response:
        """Answer a request."""
        try:
            path, mode = _target(request.target)
            match request.method, path:
                case b"GET", ["health"]:
                    return text(HTTPStatus.OK, "ok")
                case b"POST", ["put"]:
                    return await self._put(bytes(request.body), mode)
                case b"POST", ["put", commitment]:
                    return await self._put_as(bytes(request.body), commitment)
                case b"GET", ["get", commitment]:
                    return await self._get(commitment, mode)
                case (b"POST", ["put", *_]) | (b"GET", ["get", *_]):
                    return text(HTTPStatus.BAD_REQUEST, "one commitment follows /put or /get")
                case _, ["put" | "get" | "health", *_]:
                    return text(HTTPStatus.METHOD_NOT_ALLOWED, "POST /put, GET /get/0x…")
                case _:
                    return text(HTTPStatus.NOT_FOUND, "there are POST /put and GET /get/0x…")
        except UnknownBlob as error:
            return text(HTTPStatus.NOT_FOUND, str(error))
        except InvalidRequest as error:
            return text(HTTPStatus.BAD_REQUEST, str(error))
        except Unavailable as error:
            return text(HTTPStatus.SERVICE_UNAVAILABLE, str(error))

    async def _put(self, data: bytes, mode: Mode) -> Response:
        blob = (await self._blobs.put(data)).blob
        return Response(HTTPStatus.OK, Locator.of(blob).encode(mode))

    async def _put_as(self, data: bytes, commitment: str) -> Response:
        wanted = parse(commitment, Mode.OPTIMISM)
        if not isinstance(wanted, Keccak):
            raise InvalidRequest("only keccak commitments are known before their blob is stored: POST /put")
        if keccak(data) != wanted.digest:
            raise InvalidRequest("the keccak-256 of the blob is another")
        certified = await self._blobs.put(data)
        await asyncio.to_thread(self._keccaks.add, wanted.digest, certified.blob.commitment)
        return Response(HTTPStatus.OK, wanted.encode())

    async def _get(self, asked: str, mode: Mode) -> Response:
        match parse(asked, mode):
            case Keccak(digest):
                commitment = self._keccaks.find(digest)
                if commitment is None:
                    raise UnknownBlob(f"no blob with keccak 0x{digest.hex()} was stored here")
                blob = await self._blobs.get(commitment)
            case Locator() as locator:
                blob = await self._blobs.get_at(locator)
        return Response(HTTPStatus.OK, blob)


def _target(target: bytes) -> tuple[list[str], Mode]:
    """(path's parts, mode). Raises InvalidRequest."""
    try:
        parts = urlsplit(target.decode("ascii"))
        asked = parse_qs(parts.query, max_num_fields=8).get("commitment_mode", ["optimism"])[-1]
    except ValueError as error:
        raise InvalidRequest("a request target that is no path") from error
    mode = MODES.get(asked)
    if mode is None:
        raise InvalidRequest(f"commitment_mode is one of {', '.join(MODES)}")
    return [part for part in parts.path.split("/") if part], mode
