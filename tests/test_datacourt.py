"""A holder's witness before the real contract: challenges are found, answered, and closed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.contracts.data_chain import BOND, DataChain, encoded
from tests.contracts.staking_chain import OPERATORS, VOTERS, account
from zg_node.contracts import da
from zg_node.da.certificate import Blob
from zg_node.da.repair import Repaired
from zg_node.da.store import Store
from zg_node.da.witness import Challenge, Witness
from zg_node.datacourt import LOOKED_MAX, ChainCourt
from zg_node.errors import Reverted, Unavailable
from zg_node.rootaccount import Call

ROWS = 128
BOB = 1


class ChainAccount:
    """An account on the chain under test; each of its transactions is a block."""

    def __init__(self, chain: DataChain, number: int) -> None:
        self._chain = chain
        self._number = number
        self.gas = 0

    async def ask(self, to: bytes, data: bytes) -> bytes:
        return self._chain.call(data, to=to)

    async def send(self, call: Call) -> None:
        self.gas = self._chain.act(self._number, call.data, value=call.value)
        assert self.gas < call.gas


class NoMender:
    async def mend(self, blob: Blob, wanted: Sequence[int]) -> Repaired:
        return Repaired(failed=1)


@pytest.fixture
def chain(tmp_path: Path) -> DataChain:
    return DataChain(tmp_path / "state")


def first_holder(chain: DataChain, blob: Blob, row: int) -> bytes:
    index = int(chain.read("firstHolder", blob.epoch, blob.quorum, blob.commitment, ROWS, row))
    signer, _, _ = chain.holders(blob.epoch)[index]
    return signer


def test_a_challenge_is_answered_before_the_contract(chain: DataChain, tmp_path: Path) -> None:
    blob, encoding = chain.certified(), encoded("a blob")
    store = Store(tmp_path / "da", 1 << 30)
    store.add(blob, encoding.header(), encoding.checksums(), encoding.rows(range(ROWS)))
    signer = account(VOTERS[0])
    own = [row for row in range(ROWS) if first_holder(chain, blob, row) == signer][:2]
    foreign = next(row for row in range(ROWS) if first_holder(chain, blob, row) != signer)
    for row in (own[0], foreign, own[1]):
        chain.act(BOB, da.challenge(blob.id(chain.network), row, 0), value=BOND)
    assert chain.holder(signer).open == 2
    witness_account = ChainAccount(chain, OPERATORS[0])
    court = ChainCourt(witness_account, lambda: chain.number)
    deadline = da.decode_challenge_info(chain.ask(da.challenge_info_call(2))).deadline
    with ThreadPoolExecutor(1) as executor:
        witness = Witness(court, store, NoMender(), signer, executor)

        async def scenario() -> None:
            found, following = await court.challenges(signer, 1)
            assert (list(found), following) == ([Challenge(2, blob, own[1], 0, deadline)], 3)
            assert await witness.look() == 2
            assert await court.challenges(signer, 0) == ([], 3)

        asyncio.run(scenario())
    assert chain.holder(signer).open == 0
    assert witness_account.gas > 0
    store.close()


def test_many_challenges_are_looked_at_in_several_goes() -> None:
    class Crowded:
        asked = 0

        async def ask(self, to: bytes, data: bytes) -> bytes:
            self.asked += 1
            if data == da.function("challengeCount").encode():
                return (LOOKED_MAX + 5).to_bytes(32, "big")
            return bytes(6 * 32)

        async def send(self, call: Call) -> None:
            raise AssertionError("there is nothing to answer")

    async def scenario() -> None:
        crowd = Crowded()
        court = ChainCourt(crowd, lambda: 1)
        assert await court.challenges(b"\x01" * 20, 0) == ([], LOOKED_MAX)
        assert crowd.asked == LOOKED_MAX + 1
        assert await court.challenges(b"\x01" * 20, LOOKED_MAX) == ([], LOOKED_MAX + 5)

    asyncio.run(scenario())


@pytest.mark.parametrize("answer", [None, b"", b"\x01"])
def test_a_contract_that_does_not_answer_is_no_end_of_the_node(answer: bytes | None) -> None:
    class Silent:
        async def ask(self, to: bytes, data: bytes) -> bytes:
            if answer is None:
                raise Reverted("no contract", b"")
            return answer

        async def send(self, call: Call) -> None:
            raise AssertionError("there is nothing to answer")

    with pytest.raises(Unavailable):
        asyncio.run(ChainCourt(Silent(), lambda: 1).challenges(b"\x01" * 20, 0))
