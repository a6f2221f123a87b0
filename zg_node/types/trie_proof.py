"""What a Merkle Patricia proof shows: the value at a key under a certified root, or that there is none.

    state root ─ account proof ─▶ account's storage root ─ storage proof ─▶ 32-byte word

A proof is the RLP of the nodes on the way, from the root down (`eth_getProof`). It may come from anyone: each node has
to have the hash that the one above it names, and nothing may be left over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zg_node.errors import InvalidMessage
from zg_node.types.hashing import EMPTY_TRIE_ROOT, keccak
from zg_node.types.shape import decode

NODE_MAX_BYTES = 1024
"""A branch of 16 hashes has 532 bytes; a leaf of an account, or of a word, fewer than 200."""
PROOF_MAX_NODES = 65
"""One a nibble of the key, and the root."""


def storage_word(
    state_root: bytes, address: bytes, slot: int, account_proof: Sequence[bytes], storage_proof: Sequence[bytes]
) -> int:
    """The word in a contract's storage slot, 0 when it is not set or the account is not there. Raises InvalidMessage
    when the proofs do not show it."""
    account = lookup(state_root, address, account_proof)
    if account is None:
        if storage_proof:
            raise InvalidMessage("trie proof: storage of an account that is not there")
        return 0
    match decode(account, NODE_MAX_BYTES, "account"):
        case [bytes(), bytes(), bytes() as storage_root, bytes()] if len(storage_root) == 32:
            value = lookup(storage_root, slot.to_bytes(32, "big"), storage_proof)
        case _:
            raise InvalidMessage("account: wrong shape")
    word = decode(value, 33, "storage word") if value is not None else b""
    if not isinstance(word, bytes) or len(word) > 32:
        raise InvalidMessage("storage word: wrong shape")
    return int.from_bytes(word, "big")


def lookup(root: bytes, key: bytes, proof: Sequence[bytes]) -> bytes | None:
    """The value at keccak(`key`) under `root`, or None when `proof` shows that there is none. Raises InvalidMessage."""
    if root == EMPTY_TRIE_ROOT and not proof:
        return None
    if len(proof) > PROOF_MAX_NODES:
        raise InvalidMessage(f"trie proof: {len(proof)} nodes")
    nodes = iter(proof)
    value = _descend(_node(root, nodes), _nibbles(keccak(key)), nodes)
    if next(nodes, None) is not None:
        raise InvalidMessage("trie proof: nodes are left over")
    return value


def _descend(node: object, path: str, nodes: Iterator[bytes]) -> bytes | None:
    """Walk from a decoded node along `path`, one hexadecimal digit a nibble."""
    while True:
        match node:
            case [*children, bytes()] if len(children) == 16:
                if not path:
                    raise InvalidMessage("trie proof: a key ends in a branch")
                child, path = children[int(path[0], 16)], path[1:]
            case [bytes() as compact, child] if compact:
                shared, is_leaf = _compact(compact)
                if not path.startswith(shared) or (is_leaf and path != shared):
                    return None
                if is_leaf:
                    if not isinstance(child, bytes):
                        raise InvalidMessage("trie proof: a leaf without a value")
                    return child
                path = path[len(shared) :]
            case _:
                raise InvalidMessage("trie proof: a node of another shape")
        if child == b"":
            return None
        node = child if isinstance(child, list) else _node(child, nodes)


def _node(digest: object, nodes: Iterator[bytes]) -> object:
    """The next node, which has to have this hash."""
    raw = next(nodes, None)
    if raw is None or not isinstance(digest, bytes) or len(raw) > NODE_MAX_BYTES or keccak(raw) != digest:
        raise InvalidMessage("trie proof: it does not lead on from the root")
    return decode(raw, NODE_MAX_BYTES, "trie node")


def _compact(data: bytes) -> tuple[str, bool]:
    """(nibbles, whether it is a leaf's) of a hex-prefix encoded path."""
    flag = data[0] >> 4
    if flag > 3 or (flag % 2 == 0 and data[0] & 0x0F):
        raise InvalidMessage("trie proof: a path that is not canonical")
    return _nibbles(data)[1 if flag % 2 else 2 :], flag >= 2


def _nibbles(data: bytes) -> str:
    return data.hex()
