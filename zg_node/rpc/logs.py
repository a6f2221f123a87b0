"""Log criteria and the search for logs in finalised blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from zg_node import _core
from zg_node.errors import InvalidRequest
from zg_node.rpc.api import Chain
from zg_node.rpc.blocks import known_block
from zg_node.rpc.errors import LIMIT_EXCEEDED, SERVER_ERROR, history_pruned
from zg_node.rpc.limits import Limits
from zg_node.rpc.params import (
    ADDRESS_HEX,
    HASH_HEX,
    Arguments,
    MalformedError,
    Tag,
    parse_block_number,
    unhex_fixed,
)

TOPICS_MAX = 4
EARLIEST = "earliest"


@dataclass(frozen=True, slots=True)
class Criteria:
    """What eth_getLogs, eth_newFilter and the `logs` subscription ask for."""

    matching: _core.LogFilter
    terms: bytes
    """Digest of the addresses and topics: equal where `matching` is."""
    first: int | Tag | None
    """None: the oldest block whose logs are kept."""
    last: int | Tag
    block_hash: bytes | None


def parse_criteria(fields: Mapping[str, object], index: int, limits: Limits) -> Criteria:
    """Check a filter object, argument `index`; raises InvalidRequest."""
    try:
        return _parse(fields, limits)
    except MalformedError as error:
        raise Arguments.invalid(index, error) from error


def _parse(fields: Mapping[str, object], limits: Limits) -> Criteria:
    block_hash = fields.get("blockHash")
    first, last = fields.get("fromBlock"), fields.get("toBlock")
    if block_hash is not None and (first is not None or last is not None):
        raise MalformedError("cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other")
    return Criteria(
        _core.LogFilter(
            _addresses(fields.get("address"), limits.logs_terms_max),
            _topics(fields.get("topics"), limits.logs_terms_max),
        ),
        _core.keccak256(orjson.dumps([fields.get("address"), fields.get("topics")])),
        _parse_first(first),
        Tag.LATEST if last is None else parse_block_number(last),
        None if block_hash is None else unhex_fixed(block_hash, HASH_HEX, "common.Hash"),
    )


def _parse_first(value: object) -> int | Tag | None:
    if value == EARLIEST:
        return None
    return Tag.LATEST if value is None else parse_block_number(value)


def _addresses(value: object, terms_max: int) -> list[bytes]:
    if value is None:
        return []
    values = value if type(value) is list else [value]
    if len(values) > terms_max:
        raise MalformedError("exceed max addresses or topics per search position")
    return [unhex_fixed(one, ADDRESS_HEX, "common.Address") for one in values]


def _topics(value: object, terms_max: int) -> list[list[bytes] | None]:
    if value is None:
        return []
    if type(value) is not list:
        raise MalformedError("invalid topic(s)")
    if len(value) > TOPICS_MAX:
        raise MalformedError("exceed max topics")
    return [_topic_set(position, terms_max) for position in value]


def _topic_set(position: object, terms_max: int) -> list[bytes] | None:
    """The topics that may stand in one position; None where any may."""
    if position is None:
        return None
    values = position if type(position) is list else [position]
    if len(values) > terms_max:
        raise MalformedError("exceed max addresses or topics per search position")
    if not values or None in values:
        return None
    return [unhex_fixed(one, HASH_HEX, "common.Hash") for one in values]


def search(chain: Chain, criteria: Criteria, limits: Limits) -> bytes:
    """eth_getLogs' result, by blooms and then block by block. For a worker thread; raises InvalidRequest."""
    if criteria.block_hash is not None:
        block = chain.by_hash(criteria.block_hash)
        if block is None:
            raise InvalidRequest("unknown block", SERVER_ERROR)
        first = last = block.number
    else:
        first, last = block_range(criteria, chain.blocks.first, chain.head.number)
    if last - first >= limits.logs_blocks_max:
        raise InvalidRequest(f"query exceeds max block range {limits.logs_blocks_max}")
    found, end = collect(chain, criteria.matching, first, last, limits.logs_results_max)
    if end <= last:
        raise InvalidRequest(f"query returned more than {limits.logs_results_max} results", LIMIT_EXCEEDED)
    return b"[" + found + b"]"


def block_range(criteria: Criteria, oldest: int, head: int) -> tuple[int, int]:
    """First and last block, within the chain; other tags than earliest are the head. Empty ranges have last < first.
    Raises InvalidRequest for a range that begins before `oldest`, from which on blocks are kept."""
    match criteria.first:
        case None:
            first = oldest
        case Tag():
            first = head
        case int() as first if first < oldest:
            raise history_pruned(oldest)
        case int() as first:
            pass
    last = head if isinstance(criteria.last, Tag) else criteria.last
    if last < first and not isinstance(criteria.last, Tag):
        raise InvalidRequest("invalid block range params")
    return first, min(last, head)


def collect(chain: Chain, matching: _core.LogFilter, first: int, last: int, results_max: int) -> tuple[bytes, int]:
    """Matching logs of whole blocks, comma-separated, and the first block that is not covered.

    Stops before the block that would exceed `results_max`; a first block that alone exceeds it ends the search there.
    """
    if last < first:
        return b"", last + 1
    parts: list[bytes] = []
    room = results_max
    for offset in matching.matching_blooms(chain.blooms(first, last)):
        block = known_block(chain, first + offset)
        part, count = matching.logs_json(block.header.raw, block.body, block.receipts, room)
        if count > room:
            return b",".join(parts), block.number
        if count:
            parts.append(part)
            room -= count
    return b",".join(parts), last + 1
