"""From a client's block id to a block, or to the state that a call sees."""

from __future__ import annotations

from zg_node.errors import InvalidRequest
from zg_node.rpc.api import Chain
from zg_node.rpc.calls import Scene
from zg_node.rpc.errors import SERVER_ERROR, history_pruned
from zg_node.rpc.params import BlockId, Tag
from zg_node.types.block import StoredBlock


def find_block(chain: Chain, block_id: BlockId) -> StoredBlock | None:
    """The finalised block, or None. The pending tag finds the head: the block before it. Raises InvalidRequest for a
    number from before this node's first block."""
    match block_id:
        case Tag():
            return chain.head
        case int():
            head = chain.head
            if block_id == head.number:
                return head
            return known_block(chain, block_id) if block_id < head.number else None
        case bytes():
            head = chain.head
            return head if block_id == head.hash else chain.by_hash(block_id)


def known_block(chain: Chain, number: int) -> StoredBlock:
    """A block up to the head. Raises InvalidRequest when this node's blocks begin later."""
    block = chain.by_number(number)
    if block is None:
        raise history_pruned(chain.blocks.first)
    return block


def require_block(chain: Chain, block_id: BlockId) -> StoredBlock:
    """The finalised block; raises InvalidRequest."""
    block = find_block(chain, block_id)
    if block is None:
        raise _unknown(block_id)
    return block


def state_at(chain: Chain, block_id: BlockId) -> int:
    """The number of the finalised block whose state is meant; raises InvalidRequest."""
    if isinstance(block_id, int):
        if block_id > chain.head.number:
            raise _unknown(block_id)
        return block_id
    return require_block(chain, block_id).number


def scene(chain: Chain, block_id: BlockId) -> Scene:
    """The state and header that a call at `block_id` sees; pending is the head's state under the next header."""
    block = require_block(chain, block_id)
    return Scene(block.number, chain.pending_header() if block_id is Tag.PENDING else block.header.raw)


def _unknown(block_id: BlockId) -> InvalidRequest:
    text = "header for hash not found" if isinstance(block_id, bytes) else "header not found"
    return InvalidRequest(text, SERVER_ERROR)
