"""A node that answers what a test wrote down."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

Answer = object | Callable[..., object]


@dataclass
class ScriptedNode:
    """JSON-RPC over HTTP from a table: method → result, or a function of the parameters that may return an error."""

    answers: dict[str, Answer] = field(default_factory=dict)
    calls: list[tuple[str, str, list[Any]]] = field(default_factory=list)
    """(path, method, parameters) of every request."""
    pieces: list[bytes] = field(default_factory=list)
    """Of blobs, as they were posted."""
    url: str = ""
    raw: bytes | None = None
    """What to answer instead of JSON-RPC."""
    status: int = 200

    def reply(self, path: str, body: bytes) -> bytes:
        if "/da/" in path:
            self.pieces.append(body)
            return json.dumps({"jsonrpc": "2.0", "id": None, "result": hex(len(body))}).encode()
        request = json.loads(body)
        method, params = request["method"], request["params"]
        self.calls.append((path, method, params))
        if self.raw is not None:
            return self.raw
        answer = self.answers[method]
        result = answer(*params) if callable(answer) else answer
        if isinstance(result, RpcError):
            fault = {"code": result.code, "message": result.message, "data": result.data}
            return json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": fault}).encode()
        return json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode()


@dataclass(frozen=True)
class RpcError:
    """An answer that is a fault."""

    code: int
    message: str
    data: str | None = None


def server(node: ScriptedNode) -> HTTPServer:
    """A port for `node`, whose `url` it sets; connections are refused until `serving`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = node.reply(self.path, body)
            self.send_response(node.status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    made = HTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    made.server_bind()
    node.url = f"http://127.0.0.1:{made.server_port}"
    return made


@contextmanager
def serving(made: HTTPServer) -> Iterator[None]:
    """Listen and answer; the port is closed in the end."""
    made.server_activate()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        made.shutdown()
        thread.join()
        made.server_close()
