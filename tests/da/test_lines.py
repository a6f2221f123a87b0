"""How holders are reached: over the network within its bounds, and oneself without one."""

from __future__ import annotations

import asyncio

import pytest

from zg_node.da.holders import Holder
from zg_node.da.lines import OFFERS_MAX, QUESTIONS_MAX, SELF, Lines
from zg_node.da.messages import Kind
from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.memory import MemoryHub

ME, OTHER = b"\x01" * 20, b"\x02" * 20
OFFER, ROWS = bytes([Kind.OFFER]), bytes([Kind.ROWS])


class Pair:
    """We, and a peer whose answers wait until `open` is set."""

    def __init__(self) -> None:
        hub = MemoryHub(asyncio.get_running_loop().call_later, lambda source, target, size: (0.0,))
        self.moved: list[tuple[int, int]] = []
        ours, theirs = hub.join("ours"), hub.join("theirs")
        self.connected = asyncio.Event()
        ours.on_peer(lambda peer, there: self.connected.set())
        self.lines = Lines(ours, ME, lambda sent, received: self.moved.append((sent, received)))
        self.open = asyncio.Event()
        self.under_way = {OFFER: 0, ROWS: 0}
        self.most = {OFFER: 0, ROWS: 0}
        Lines(theirs, OTHER, lambda sent, received: None).serve(self._answer)

    async def _answer(self, peer: str, message: bytes) -> bytes:
        self.under_way[message] += 1
        self.most[message] = max(self.most[message], self.under_way[message])
        await self.open.wait()
        self.under_way[message] -= 1
        return b"answer"


def test_offers_and_other_questions_to_a_peer_wait_for_their_own_places() -> None:
    async def main() -> None:
        pair = Pair()
        await pair.connected.wait()
        asked = [asyncio.ensure_future(pair.lines.ask("theirs", kind, 5.0)) for kind in (OFFER, ROWS) * 10]
        while sum(pair.under_way.values()) < OFFERS_MAX + QUESTIONS_MAX:  # noqa: ASYNC110 - turns of the loop
            await asyncio.sleep(0)
        pair.open.set()
        assert set(await asyncio.gather(*asked)) == {b"answer"}
        assert pair.most == {OFFER: OFFERS_MAX, ROWS: QUESTIONS_MAX}
        assert pair.moved == [(1, 6)] * 20
        assert pair.lines._gates == {}

    asyncio.run(main())


def test_who_waits_too_long_for_a_place_gets_none() -> None:
    async def main() -> None:
        pair = Pair()
        await pair.connected.wait()
        asked = [asyncio.ensure_future(pair.lines.ask("theirs", OFFER, 5.0)) for _ in range(OFFERS_MAX)]
        while pair.under_way[OFFER] < OFFERS_MAX:  # noqa: ASYNC110 - turns of the loop
            await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="too many questions"):
            await pair.lines.ask("theirs", OFFER, 0.01)
        pair.open.set()
        await asyncio.gather(*asked)

    asyncio.run(main())


def test_a_node_reaches_itself_by_its_signer_and_others_only_when_they_are_connected() -> None:
    async def main() -> None:
        pair = Pair()
        assert pair.lines.peer_of(Holder(ME, 1, "whatever the contract says")) == SELF
        assert pair.lines.peer_of(Holder(OTHER, 1, "theirs")) is None
        await pair.connected.wait()
        assert pair.lines.peer_of(Holder(OTHER, 1, "theirs")) == "theirs"
        assert pair.lines.peer_of(Holder(OTHER, 1, "")) is None

    asyncio.run(main())


def test_a_node_alone_answers_itself_and_nobody_else() -> None:
    async def main() -> None:
        lines = Lines(None, ME, lambda sent, received: pytest.fail("nothing moves"))
        with pytest.raises(Unavailable, match="holds nothing"):
            await lines.ask(SELF, ROWS, 1.0)

        async def answer(peer: str, message: bytes) -> bytes:
            if message == OFFER:
                raise InvalidMessage("no")
            return peer.encode() + message

        lines.serve(answer)
        assert await lines.ask(SELF, ROWS, 1.0) == ROWS
        with pytest.raises(Unavailable, match="this node refuses: no"):
            await lines.ask(SELF, OFFER, 1.0)
        with pytest.raises(Unavailable, match="this node is alone"):
            await lines.ask("theirs", ROWS, 1.0)

    asyncio.run(main())
