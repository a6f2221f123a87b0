"""What an answer to BLOCKS proves, and how to get the rest of it: pure, one range at a time.

    fetch: yields requests for one peer, is sent its answers ─▶ Run, or Unproven, or raises Lie

A range proves itself: its headers are a chain that ends in a block which the epoch's validators finalised, and each
body has its header's transactions root. So ranges are checked in any order, whoever sent them, and only the first
block's parent is left to compare. One certificate is verified a range.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

from zg_node.consensus.messages import Domain, VoteKind
from zg_node.consensus.sync_messages import BlocksRequest, Part, PartRequest, Piece, Range, Request
from zg_node.consensus.votes import ValidatorSet
from zg_node.errors import InvalidBlock, InvalidMessage
from zg_node.p2p.network import Offence
from zg_node.types.block import Block, BodyCheck


class Lie(InvalidMessage):
    """An answer that no honest peer gives."""

    def __init__(self, message: str, offence: Offence) -> None:
        super().__init__(message)
        self.offence = offence


@dataclass(frozen=True, slots=True)
class Rules:
    """What a shard's blocks are checked against."""

    network: bytes
    chain_id: int
    sets: Callable[[int], ValidatorSet | None]
    """The validators of an epoch; None while the executed chain does not say."""
    check_body: BodyCheck


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive blocks of one epoch, proven final."""

    blocks: tuple[Block, ...]
    certificate: bytes
    """Encoded FINALIZE certificate of the last block or of a descendant."""

    @property
    def first(self) -> int:
        return self.blocks[0].number

    @property
    def last(self) -> int:
        return self.blocks[-1].number

    @property
    def epoch(self) -> int:
        return self.blocks[0].consensus.epoch

    @property
    def size(self) -> int:
        """Bytes, about."""
        return sum(len(block.body) + len(block.header.raw) for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Unproven:
    """An answer of an epoch whose validators are not known yet."""

    epoch: int


Fetch = Generator[Request, bytes, Run | Unproven]


def fetch(request: BlocksRequest, rules: Rules) -> Fetch:
    """Ask one peer for a range and for the parts of a body that did not fit. Raises Lie or another InvalidMessage."""
    found = Range.decode((yield request))
    _check_asked(found, request)
    members = rules.sets(found.headers[0].consensus.epoch)
    if members is None:
        return Unproven(found.headers[0].consensus.epoch)
    _check_final(found, rules, members)
    bodies = found.bodies
    if not bodies:
        bodies = ((yield from fetch_parts(request.shard, request.first, Piece.BODY, found.body_size)),)
    blocks = tuple(Block(h.header, h.consensus, body) for h, body in zip(found.headers, bodies, strict=False))
    for block in blocks:
        check_whole(block, rules.check_body)
    return Run(blocks, found.certificate.encode())


def fetch_parts(shard: int, number: int, piece: Piece, size: int | None) -> Generator[Request, bytes, bytes]:
    """Put a part of a block together, of `size` bytes if that is known. Raises InvalidMessage when the pieces do not
    add up."""
    whole = bytearray()
    while size is None or len(whole) < size:
        part = Part.decode((yield PartRequest(shard, number, piece, len(whole))))
        size = part.total if size is None else size
        if part.total != size or not part.is_at(len(whole)):
            raise Lie(f"{piece.name.lower()} of block {number}: the parts do not add up", Offence.INVALID)
        whole += part.data
    return bytes(whole)


def check_whole(block: Block, check_body: BodyCheck) -> None:
    """A block's hash says nothing of its body. Raises Lie unless the body is the header's."""
    try:
        check_body(block.header.raw, block.body)
    except InvalidBlock as error:
        raise Lie(f"block {block.number} came with another block's body: {error}", Offence.INVALID) from error


def _check_asked(found: Range, request: BlocksRequest) -> None:
    if found.headers[0].header.number != request.first or len(found.bodies) > request.count:
        raise Lie("the answer holds other blocks than were asked for", Offence.INVALID)


def _check_final(found: Range, rules: Rules, members: ValidatorSet) -> None:
    first, last = found.headers[0].consensus, found.headers[-1].consensus
    if any(h.consensus.network != rules.network or h.consensus.epoch != first.epoch for h in found.headers):
        raise Lie("a range of another network, or over an epoch's end", Offence.INVALID)
    set_hash = members.hash()
    if any(h.consensus.set_hash != set_hash for h in found.headers):
        raise Lie(f"the headers name other validators for epoch {first.epoch}", Offence.INVALID)
    certificate = found.certificate
    if certificate.kind is not VoteKind.FINALIZE or certificate.view < last.view:
        raise Lie("the certificate does not finalise the last block", Offence.INVALID)
    try:
        members.check_certificate(Domain(rules.network, rules.chain_id, first.epoch), certificate)
    except InvalidMessage as error:
        raise Lie(f"block {found.headers[-1].header.number}: {error}", Offence.BAD_SIGNATURE) from error
