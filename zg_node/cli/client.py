"""A small JSON-RPC client over HTTP for the commands that ask a running node."""

from __future__ import annotations

import http.client
import time
from typing import Any
from urllib.parse import urlsplit

import orjson

from zg_node.errors import InvalidConfig, InvalidRequest, Reverted, Unavailable

TIMEOUT_S = 30
RESPONSE_MAX_BYTES = 64 * 1024 * 1024
RECEIPT_POLL_S = 0.05


class RpcClient:
    """One node's endpoint; every call is its own connection."""

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        """`url` is http:// or https://, an answer may take `timeout_s`. Raises InvalidConfig when it is no URL."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError as error:
            raise InvalidConfig(f"{url} is not a URL: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidConfig(f"{url} is not a URL: write it as http://127.0.0.1:8545")
        self.url = url
        self._timeout_s = timeout_s
        self._https = parts.scheme == "https"
        self._host = parts.hostname
        self._port = port
        self._path = parts.path or "/"

    def call(self, method: str, *params: object) -> Any:
        """The method's result. Raises Unavailable, InvalidRequest, Reverted."""
        request = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        return self._result(self._post(self._path, request, "application/json"))

    def bring(self, upload: int, offset: int, piece: bytes) -> None:
        """Add a piece to an upload that zg_daUpload began. Raises as `call`."""
        path = f"{self._path.rstrip('/')}/da/{upload}/{offset}"
        self._result(self._post(path, piece, "application/octet-stream"))

    def quantity(self, method: str, *params: object) -> int:
        """A method's result that is a hexadecimal number. Raises as `call`."""
        result = self.call(method, *params)
        if not isinstance(result, str) or not result.startswith("0x"):
            raise Unavailable(f"{self.url} answered {method} with {result!r}, which is not a quantity")
        return int(result, 16)

    def wait_receipt(self, tx_hash: str, timeout_s: float) -> dict[str, Any]:
        """The receipt of a transaction, once it is final. Raises Unavailable when it takes longer than `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while True:
            receipt = self.call("eth_getTransactionReceipt", tx_hash)
            if isinstance(receipt, dict):
                return receipt
            if time.monotonic() >= deadline:
                raise Unavailable(
                    f"{tx_hash} is not final after {timeout_s:g} s; ask again with `zg-node tx receipt {tx_hash}`"
                )
            time.sleep(RECEIPT_POLL_S)

    def _result(self, response: bytes) -> Any:
        """What a JSON-RPC response brings. Raises as `call`."""
        answer = self._parse(response)
        fault = answer.get("error")
        if fault is None:
            return answer.get("result")
        if not isinstance(fault, dict):
            raise Unavailable(f"{self.url} answered an error that is none: {fault!r}")
        message, code, data = str(fault.get("message")), fault.get("code"), fault.get("data")
        if code == 3 and isinstance(data, str):
            raise Reverted(message, bytes.fromhex(data.removeprefix("0x")))
        raise InvalidRequest(message, code if isinstance(code, int) else -32000)

    def _post(self, path: str, body: bytes, content_type: str) -> bytes:
        kind = http.client.HTTPSConnection if self._https else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=self._timeout_s)
        try:
            connection.request("POST", path, body, {"Content-Type": content_type})
            response = connection.getresponse()
            data = response.read(RESPONSE_MAX_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Unavailable(
                f"cannot reach {self.url} ({reason}): is the node running? start one with `zg-node devnet`"
            ) from error
        finally:
            connection.close()
        if len(data) > RESPONSE_MAX_BYTES:
            raise Unavailable(f"{self.url} answered more than {RESPONSE_MAX_BYTES} bytes")
        if response.status != 200:
            raise Unavailable(f"{self.url} answered HTTP {response.status}: {_reason(data)}")
        return data

    def _parse(self, data: bytes) -> dict[str, Any]:
        try:
            answer = orjson.loads(data)
        except ValueError as error:
            raise Unavailable(f"{self.url} does not speak JSON-RPC: is that the node's port?") from error
        if not isinstance(answer, dict):
            raise Unavailable(f"{self.url} does not speak JSON-RPC: is that the node's port?")
        return answer


def _reason(data: bytes) -> str:
    """What the body of a refused request says."""
    try:
        return str(orjson.loads(data)["error"]["message"])
    except (ValueError, TypeError, KeyError):
        return data[:200].decode(errors="replace")
