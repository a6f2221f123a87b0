"""What an answer proves, and every way in which it may not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.consensus.signed_chain import CHAIN_ID, EPOCH_BLOCKS, NETWORK, Epochs, SignedChain, keys
from zg_node.consensus.messages import Certificate, VoteKind
from zg_node.consensus.sync_messages import (
    PART_MAX_BYTES,
    RANGE_MAX_BODY_BYTES,
    BlocksRequest,
    Part,
    PartRequest,
    Piece,
    Range,
    Request,
    cut,
)
from zg_node.consensus.sync_server import ServedChain, range_of
from zg_node.consensus.sync_verify import Lie, Run, Unproven, fetch
from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.network import Offence

CHAIN = SignedChain(2 * EPOCH_BLOCKS + 10)


def ask(first: int, count: int, max_bytes: int = RANGE_MAX_BODY_BYTES) -> BlocksRequest:
    return BlocksRequest(0, first, count, max_bytes)


def serve(chain: ServedChain, request: Request) -> bytes:
    """What an honest peer answers."""
    match request:
        case BlocksRequest():
            return range_of(chain, request).encode()
        case PartRequest(_, number, Piece.BODY, offset):
            block = chain.by_number(number)
            assert block is not None
            return cut(block.body, offset).encode()
    raise AssertionError(request)


def converse(
    request: BlocksRequest, answer: Callable[[Request], bytes], chain: SignedChain = CHAIN, known: int | None = None
) -> Run | Unproven:
    """Drive `fetch` with a peer."""
    steps = fetch(request, chain.rules(known))
    question = next(steps)
    while True:
        try:
            question = steps.send(answer(question))
        except StopIteration as done:
            found: Run | Unproven = done.value
            return found


def honest(chain: SignedChain = CHAIN) -> Callable[[Request], bytes]:
    return lambda request: serve(chain, request)


def twisted(twist: Callable[[Range], Range], chain: SignedChain = CHAIN) -> Callable[[Request], bytes]:
    """A peer that changes what an honest one would say."""

    def answer(request: Request) -> bytes:
        assert isinstance(request, BlocksRequest)
        return twist(range_of(chain, request)).encode()

    return answer


def numbers(run: Run | Unproven) -> list[int]:
    assert isinstance(run, Run)
    return [block.number for block in run.blocks]


# ── honest peers ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_range_of_one_epoch_arrives_whole() -> None:
    run = converse(ask(3, 20), honest())
    assert numbers(run) == list(range(3, 23))
    assert isinstance(run, Run)
    assert Certificate.decode(run.certificate).block_hash == CHAIN.stored[22].hash
    assert [block.body for block in run.blocks] == [stored.body for stored in CHAIN.stored[3:23]]


def test_a_range_ends_with_its_epoch() -> None:
    assert numbers(converse(ask(30, 64), honest())) == list(range(30, EPOCH_BLOCKS + 1))


def test_blocks_that_a_descendant_finalised_come_with_headers_up_to_it() -> None:
    chain = SignedChain(60, gap=7)
    found = range_of(chain, ask(2, 3))
    assert [h.header.number for h in found.headers] == [2, 3, 4, 5, 6, 7]
    assert len(found.bodies) == 3
    run = converse(ask(2, 3), honest(chain), chain)
    assert numbers(run) == [2, 3, 4]
    assert isinstance(run, Run)
    assert Certificate.decode(run.certificate).block_hash == chain.stored[7].hash


def test_as_many_bodies_as_fit_are_sent() -> None:
    chain = SignedChain(30, body_bytes=600_000)
    assert numbers(converse(ask(1, 30), honest(chain), chain)) == [1, 2, 3, 4, 5]


def test_a_body_that_no_answer_holds_arrives_in_parts() -> None:
    chain = SignedChain(3, body_bytes=2 * PART_MAX_BYTES + 10)
    assert range_of(chain, ask(2, 2)).bodies == ()
    run = converse(ask(2, 2), honest(chain), chain)
    assert numbers(run) == [2]
    assert isinstance(run, Run)
    assert run.blocks[0].body == chain.stored[2].body


def test_headers_alone_are_served_for_light_clients() -> None:
    found = range_of(CHAIN, ask(5, 10, max_bytes=0))
    assert [h.header.number for h in found.headers] == list(range(5, 15))
    assert found.bodies == ()


def test_no_more_blocks_are_read_for_headers_alone_than_for_bodies() -> None:
    chain = SignedChain(30, body_bytes=600_000)
    assert [h.header.number for h in range_of(chain, ask(1, 30, max_bytes=0)).headers] == [1, 2, 3, 4, 5]


def test_an_epoch_whose_validators_are_not_known_is_not_judged() -> None:
    assert converse(ask(EPOCH_BLOCKS + 1, 5), honest(), known=0) == Unproven(1)


@pytest.mark.parametrize("first", [0, len(CHAIN.stored), 10**9])
def test_blocks_that_are_not_here_are_not_served(first: int) -> None:
    with pytest.raises(Unavailable):
        range_of(CHAIN, ask(first, 5))


# ── lies ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def refused(answer: Callable[[Request], bytes], offence: Offence, chain: SignedChain = CHAIN) -> None:
    with pytest.raises(Lie) as caught:
        converse(ask(3, 20), answer, chain)
    assert caught.value.offence is offence


def test_other_blocks_than_were_asked_for_are_refused() -> None:
    refused(lambda request: range_of(CHAIN, ask(4, 20)).encode(), Offence.INVALID)


def test_more_blocks_than_were_asked_for_are_refused() -> None:
    refused(lambda request: range_of(CHAIN, ask(3, 21)).encode(), Offence.INVALID)


def test_a_certificate_that_strangers_signed_is_refused() -> None:
    strangers = Epochs([keys(4, 9)])

    def twist(found: Range) -> Range:
        last = found.headers[-1]
        return replace(found, certificate=strangers.certify(0, last.consensus.view, last.header.hash))

    refused(twisted(twist), Offence.BAD_SIGNATURE)


def test_a_certificate_without_a_quorum_is_refused() -> None:
    def twist(found: Range) -> Range:
        certificate = found.certificate
        return replace(found, certificate=replace(certificate, signatures=certificate.signatures[:2]))

    refused(twisted(twist), Offence.BAD_SIGNATURE)


def test_a_notarization_proves_no_finality() -> None:
    def twist(found: Range) -> Range:
        last = found.headers[-1]
        notarized = CHAIN.epochs.certify(0, last.consensus.view, last.header.hash, VoteKind.NOTARIZE)
        return replace(found, certificate=notarized)

    refused(twisted(twist), Offence.INVALID)


def test_a_certificate_of_another_epochs_domain_is_refused() -> None:
    other = Epochs([keys(4), keys(4)])

    def twist(found: Range) -> Range:
        last = found.headers[-1]
        return replace(found, certificate=other.certify(1, last.consensus.view, last.header.hash))

    refused(twisted(twist), Offence.BAD_SIGNATURE)


def test_a_chain_that_names_its_own_validators_is_refused() -> None:
    theirs = SignedChain(30, epochs=Epochs([keys(4, 9), keys(4, 9)]))
    steps = fetch(ask(3, 20), CHAIN.rules())
    next(steps)
    with pytest.raises(Lie, match="other validators"):
        steps.send(range_of(theirs, ask(3, 20)).encode())


def test_another_blocks_body_is_refused() -> None:
    def twist(found: Range) -> Range:
        swapped = list(found.bodies)
        swapped[4], swapped[5] = swapped[5], swapped[4]
        return replace(found, bodies=tuple(swapped))

    refused(twisted(twist), Offence.INVALID)


def test_headers_that_are_no_chain_do_not_parse() -> None:
    def twist(found: Range) -> Range:
        return replace(found, headers=(*found.headers[:3], *found.headers[4:]), bodies=found.bodies[1:])

    with pytest.raises(InvalidMessage, match="no chain"):
        converse(ask(3, 20), twisted(twist))


def test_a_certificate_of_another_block_does_not_parse() -> None:
    other = Certificate.decode(CHAIN.stored[30].certificate)
    with pytest.raises(InvalidMessage, match="another block"):
        converse(ask(3, 20), twisted(lambda found: replace(found, certificate=other)))


@pytest.mark.parametrize("part", [Part(10, b"0123456789"), Part(8_388_618, b""), Part(8_388_618, b"\x00" * 100)])
def test_parts_that_do_not_add_up_are_refused(part: Part) -> None:
    chain = SignedChain(3, body_bytes=2 * PART_MAX_BYTES + 10)

    def answer(request: Request) -> bytes:
        return serve(chain, request) if isinstance(request, BlocksRequest) else part.encode()

    with pytest.raises(Lie):
        converse(ask(2, 2), answer, chain)


def test_the_network_is_part_of_what_is_proven() -> None:
    rules = replace(CHAIN.rules(), network=bytes(32))
    steps = fetch(ask(3, 20), rules)
    next(steps)
    with pytest.raises(Lie):
        steps.send(range_of(CHAIN, ask(3, 20)).encode())
    assert (rules.chain_id, CHAIN.rules().network) == (CHAIN_ID, NETWORK)
