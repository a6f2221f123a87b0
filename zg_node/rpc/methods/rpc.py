"""rpc_modules: which namespaces this listener serves."""

from __future__ import annotations

from zg_node.rpc.api import Context, Method
from zg_node.rpc.encoding import document
from zg_node.rpc.params import Arguments


def modules(context: Context, arguments: Arguments) -> bytes:
    return document(dict.fromkeys(context.namespaces, "1.0"))


METHODS = {"rpc_modules": Method(modules, 0)}
