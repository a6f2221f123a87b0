"""web3_*: the client and a hash."""

from __future__ import annotations

from zg_node import _core
from zg_node.rpc.api import Context, Method
from zg_node.rpc.encoding import document, hex_data
from zg_node.rpc.params import Arguments


def client_version(context: Context, arguments: Arguments) -> bytes:
    return document(context.node.client_version)


def sha3(context: Context, arguments: Arguments) -> bytes:
    """Keccak-256, under its historical name."""
    return hex_data(_core.keccak256(arguments.data(0)))


METHODS = {
    "web3_clientVersion": Method(client_version, 0),
    "web3_sha3": Method(sha3, 1),
}
