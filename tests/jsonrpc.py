"""A JSON-RPC client in a few lines: one keep-alive HTTP connection, single calls and batches."""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import orjson

TIMEOUT_S = 30.0


class RpcError(Exception):
    """The node answered with an error."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.data = data


class Client:
    """One connection; one thread at a time. Raises OSError or http.client.HTTPException when the node is gone."""

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._path = parts.path or "/"
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)

    def call(self, method: str, *params: object) -> Any:
        """The result; raises RpcError."""
        return _result(self._post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))

    def batch(self, method: str, items: Sequence[Sequence[object]]) -> list[Any]:
        """One call of `method` for each parameter list, in one request: results, and RpcErrors where it failed."""
        requests = [
            {"jsonrpc": "2.0", "id": index, "method": method, "params": params} for index, params in enumerate(items)
        ]
        answers = self._post(requests)
        assert isinstance(answers, list), answers
        by_id = {answer["id"]: answer for answer in answers}
        out: list[Any] = []
        for index in range(len(items)):
            try:
                out.append(_result(by_id[index]))
            except RpcError as error:
                out.append(error)
        return out

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _post(self, body: object) -> Any:
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", self._path, orjson.dumps(body), headers)
        return orjson.loads(self._connection.getresponse().read())


def _result(answer: dict[str, Any]) -> Any:
    if "error" in answer:
        error = answer["error"]
        raise RpcError(error["code"], error["message"], error.get("data"))
    return answer["result"]
