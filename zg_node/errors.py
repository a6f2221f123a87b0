"""The one error tree; `zg_node._core` raises these same classes.

ZgError
├── InvalidMessage        a peer's fault: drop it, score the peer
│   └── BadSignature      signed by somebody else than it says
├── InvalidTransaction    the sender's fault: JSON-RPC error `code`, geth's words
├── InvalidBlock          the proposer's fault: never vote for it
├── InvalidRequest        a client's fault: JSON-RPC error `code`
│   └── Reverted          eth_call or eth_estimateGas reverted: code 3 and the revert data
├── InvalidConfig         the operator's fault: one sentence that names the next step, exit code 2
├── Unavailable           not now, or not kept: retry, or ask another node
└── Corrupt               the data directory contradicts itself: stop the node, say what to do
"""

from __future__ import annotations


class ZgError(Exception):
    """Whatever this project raises on purpose."""


class InvalidMessage(ZgError):
    """A peer sent something that does not parse, or contradicts the protocol."""


class BadSignature(InvalidMessage):
    """A signature is not by the key that it is said to be by."""


class InvalidTransaction(ZgError):
    """A transaction that no block may contain now; the text is geth's."""

    code = -32000


class InvalidBlock(ZgError):
    """A block that does not follow from its parent."""


class InvalidRequest(ZgError):
    """A JSON-RPC request that cannot be answered as asked."""

    def __init__(self, message: str, code: int = -32602) -> None:
        super().__init__(message)
        self.code = code


class Reverted(InvalidRequest):
    """Execution reverted; `data` is the revert payload."""

    def __init__(self, message: str, data: bytes) -> None:
        super().__init__(message, 3)
        self.data = data


class InvalidConfig(ZgError):
    """A setting, path or key that the operator has to mend."""


class Unavailable(ZgError):
    """The answer is not here now: a pruned state, a full queue, a service that is starting."""


class Corrupt(ZgError):
    """Stored data contradicts itself."""
