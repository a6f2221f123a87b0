"""personal_*: what older tools call to sign with a development account."""

from __future__ import annotations

from zg_node.rpc.api import Context, Method
from zg_node.rpc.encoding import hex_data
from zg_node.rpc.methods.eth_sign import accounts, sign_message
from zg_node.rpc.params import Arguments


def sign(context: Context, arguments: Arguments) -> bytes:
    """As eth_sign with the arguments the other way round; a password is ignored, there is none."""
    return hex_data(sign_message(context, arguments.address(1), arguments.data(0)))


METHODS = {
    "personal_sign": Method(sign, 3),
    "personal_listAccounts": Method(accounts, 0),
}
