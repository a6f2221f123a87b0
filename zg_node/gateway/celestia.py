"""Celestia's `blob` namespace over JSON-RPC: Submit, Get, GetAll, GetProof, Included. Subscribe is a session's.

A submission becomes one bundle, and a height is the number of the root block that certified it. Commitments are
Celestia's share commitments, computed here: a client's is compared, not believed. Proofs are ours, down to the
certificate (`inclusion.py`); a Celestia light client has no header to check them against.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson

from zg_node.da.encoding import BUNDLE_BLOBS_MAX
from zg_node.errors import InvalidMessage, InvalidRequest, Unavailable
from zg_node.gateway.blobs import UnknownBlob
from zg_node.gateway.celestia_blob import COMMITMENT_BYTES, namespace_of, of_base64
from zg_node.gateway.heights import Found, Heights, in_json
from zg_node.gateway.http import Request, Response, json, text
from zg_node.gateway.inclusion import InclusionProof

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
FAILURE: Final = 1
"""What Celestia's own server answers for whatever a method failed with."""
VALUES_MAX: Final = 1 << 20
"""In the JSON of one request: each becomes an object, many times as large as its text."""
NAMESPACES_MAX: Final = 64
"""In one GetAll."""

Parameters = list[Any]
Asked = Callable[[object, Parameters], Awaitable[object]]
"""A method that wants to know the request's id, too."""
NOTHING: Final[Mapping[str, Asked]] = {}


class Celestia:
    """Requests to responses."""

    def __init__(self, heights: Heights) -> None:
        self.heights = heights
        self._methods: dict[str, Callable[[Parameters], Awaitable[object]]] = {
            "blob.Submit": self._submit,
            "blob.Get": self._get,
            "blob.GetAll": self._get_all,
            "blob.GetProof": self._get_proof,
            "blob.Included": self._included,
        }

    async def route(self, request: Request) -> Response:
        """Answer an HTTP request."""
        if request.method != b"POST":
            return text(HTTPStatus.METHOD_NOT_ALLOWED, "POST a JSON-RPC request")
        return json(await self.answer(bytes(request.body)))

    async def answer(self, body: bytes, more: Mapping[str, Asked] = NOTHING) -> bytes:
        """One JSON-RPC request to its response, which is empty for a notification; `more` are methods of a session."""
        if sum(map(body.count, (b"[", b"{", b","))) > VALUES_MAX:
            return _failure(None, INVALID_REQUEST, f"more than {VALUES_MAX} values")
        try:
            request = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            return _failure(None, PARSE_ERROR, f"not JSON: {error}")
        if not isinstance(request, dict):
            return _failure(None, INVALID_REQUEST, "a request is one object; there are no batches here")
        request_id, parameters, name = request.get("id"), request.get("params") or [], str(request.get("method"))
        if name not in self._methods and name not in more:
            methods = f"there are {', '.join(self._methods)}, and blob.Subscribe over a WebSocket"
            return _failure(request_id, METHOD_NOT_FOUND, methods)
        if not isinstance(parameters, list):
            return _failure(request_id, INVALID_PARAMS, "parameters are an array")
        try:
            if name in more:
                result = await more[name](request_id, parameters)
            else:
                result = await self._methods[name](parameters)
        except UnknownBlob:
            return _failure(request_id, FAILURE, "blob: not found")
        except InvalidRequest as error:
            return _failure(request_id, INVALID_PARAMS, str(error))
        except (InvalidMessage, Unavailable) as error:
            return _failure(request_id, FAILURE, str(error))
        return orjson.dumps({"jsonrpc": "2.0", "id": request_id, "result": result}) if "id" in request else b""

    async def _submit(self, parameters: Parameters) -> int:
        """(blobs, options): the height. Options are of gas on another chain, and not looked at."""
        given = _argument(parameters, 0)
        if not isinstance(given, list) or not 0 < len(given) <= BUNDLE_BLOBS_MAX:
            raise InvalidRequest(f"1 to {BUNDLE_BLOBS_MAX} blobs can be submitted together")
        return await self.heights.submit(given)

    async def _get(self, parameters: Parameters) -> dict[str, object]:
        """(height, namespace, commitment): the blob."""
        height, namespace, commitment = _place(parameters)
        found = await self.heights.find(height, namespace, commitment)
        return found.blob.to_json(commitment, found.entry.offset)

    async def _get_all(self, parameters: Parameters) -> list[dict[str, object]]:
        """(height, namespaces): every blob, in the order of namespaces and submission; perhaps none."""
        height = _height(parameters)
        given = _argument(parameters, 1)
        if not isinstance(given, list) or len(given) > NAMESPACES_MAX:
            raise InvalidRequest(f"up to {NAMESPACES_MAX} namespaces in an array")
        namespaces = list(dict.fromkeys(namespace_of(item) for item in given))
        return await in_json(await self.heights.all(height, namespaces))

    async def _get_proof(self, parameters: Parameters) -> list[dict[str, object]]:
        """(height, namespace, commitment): see inclusion.py."""
        return await asyncio.to_thread(_prove, await self.heights.find(*_place(parameters)))

    async def _included(self, parameters: Parameters) -> bool:
        """(height, namespace, proof, commitment): whether the proof shows that the height has the blob."""
        height, namespace = _height(parameters), namespace_of(_argument(parameters, 1))
        commitment = _commitment(_argument(parameters, 3))
        try:
            proof = await asyncio.to_thread(InclusionProof.of_json, _argument(parameters, 2), namespace)
            if proof.commitment not in await self.heights.certified(height):
                return False
            entry = await asyncio.to_thread(proof.check, namespace)
            blob = await self.heights.record(proof.commitment, entry)
        except InvalidMessage:
            return False
        return await asyncio.to_thread(blob.commitment) == commitment


def _prove(found: Found) -> list[dict[str, object]]:
    return InclusionProof.of(found.bundle, found.blob.namespace, found.entry).to_json(found.blob.namespace)


def _place(parameters: Parameters) -> tuple[int, bytes, bytes]:
    return _height(parameters), namespace_of(_argument(parameters, 1)), _commitment(_argument(parameters, 2))


def _height(parameters: Parameters) -> int:
    height = _argument(parameters, 0)
    if type(height) is not int or height < 0:
        raise InvalidRequest("a height is a number")
    return height


def _commitment(value: object) -> bytes:
    commitment = of_base64(value, "commitment")
    if len(commitment) != COMMITMENT_BYTES:
        raise InvalidRequest(f"a commitment of {len(commitment)} bytes: it has {COMMITMENT_BYTES}")
    return commitment


def _argument(parameters: Parameters, place: int) -> object:
    if place >= len(parameters):
        raise InvalidRequest(f"parameter {place} is missing")
    return parameters[place]


def _failure(request_id: object, code: int, message: str) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}})
