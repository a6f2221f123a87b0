"""Whatever people call in whatever order, every wei of the contract is somebody's."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.contracts.data_books import check
from tests.contracts.data_chain import BOND, SIGNERS, DataChain, call, data_file, encoded
from tests.contracts.staking_chain import COIN, OPERATORS, VOTERS, account, chain_file
from zg_node.contracts import da
from zg_node.da.certificate import Blob
from zg_node.execution.genesis import parse

PEOPLE = (0, 1, 2, 3, *OPERATORS)
STEPS = 250
WEIGHTS = {
    "request": 4, "certify": 6, "refund": 2, "claim": 8, "challenge": 5, "answer": 1, "settle": 5, "add_stake": 1,
    "request_exit": 1, "withdraw": 1, "collect": 4, "sweep": 1, "advance": 3, "epoch": 3,
}  # fmt: skip
"""How often somebody does what."""


class Crowd:
    """People who call anything, sensible or not, with whatever value; remembers what they made."""

    def __init__(self, chain: DataChain, seed: int) -> None:
        self.chain = chain
        self.chance = random.Random(seed)
        self.blobs: list[Blob] = []
        self.texts: dict[bytes, str] = {}
        self.accepted: set[str] = set()

    def step(self) -> None:
        """One call by somebody, or time passing."""
        name = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if name == "advance":
            self.chain.advance(self.chance.randint(1, 12))
        elif name == "epoch":
            self.chain.end_epoch()
        else:
            sender, data, value = getattr(self, name)()
            if self.chain.send(sender, data, value=value, to=da.DATA_AVAILABILITY).success:
                self.accepted.add(name)

    def request(self) -> tuple[int, bytes, int]:
        text = f"text {self.chance.randrange(10)}"
        blob = self.chain.blob(text, epochs=self.chance.randint(1, 4))
        self.blobs.append(blob)
        self.texts[blob.commitment] = text
        return self._somebody(), da.request(blob), self.chain.fee(blob) + self.chance.choice((0, 0, 0, 1))

    def certify(self) -> tuple[int, bytes, int]:
        blob = self._blob()
        count = len(self.chain.holders(blob.epoch))
        silent = self.chance.randrange(6)
        return self._somebody(), self.chain.certificate(blob, set(range(count)) - {silent}), 0

    def refund(self) -> tuple[int, bytes, int]:
        return self._somebody(), da.refund(self._id()), 0

    def claim(self) -> tuple[int, bytes, int]:
        epoch = self.chain.epoch
        blob = self.chance.choice([blob for blob in self.blobs if blob.expiry < epoch] or [self._blob()])
        return self._somebody(), da.claim(self._signer(), [blob.id(self.chain.network)]), 0

    def challenge(self) -> tuple[int, bytes, int]:
        return self._somebody(), da.challenge(self._id(), self.chance.randrange(130), 0), BOND

    def answer(self) -> tuple[int, bytes, int]:
        number = self._number()
        found = da.decode_challenge_info(self.chain.ask(da.challenge_info_call(number)))
        if not found.deadline:
            return self._somebody(), da.answer(number, b"", b"", b""), 0
        commitment = da.decode_blob_info(self.chain.ask(da.blob_info_call(found.id))).commitment
        encoding = encoded(self.texts[commitment])
        [(_, _, data, path)] = encoding.cells([(found.row, found.cell)])
        owner = OPERATORS[VOTERS.index(self.chain.numbers[found.signer])]
        return owner, da.answer(number, encoding.header(), data, path), 0

    def settle(self) -> tuple[int, bytes, int]:
        return self._somebody(), da.settle(self._number()), 0

    def add_stake(self) -> tuple[int, bytes, int]:
        return self._somebody(), call("addStake", self._signer()), self.chance.choice((0, 1, 3 * COIN))

    def request_exit(self) -> tuple[int, bytes, int]:
        place = self.chance.choice((2, 3))
        return OPERATORS[place], call("requestExit", account(VOTERS[place])), 0

    def withdraw(self) -> tuple[int, bytes, int]:
        place = self.chance.randrange(4)
        return OPERATORS[place], call("withdraw", account(VOTERS[place])), 0

    def collect(self) -> tuple[int, bytes, int]:
        return max(PEOPLE, key=self.chain.owed), call("collect"), 0

    def sweep(self) -> tuple[int, bytes, int]:
        return self._somebody(), call("sweep"), 0

    def _somebody(self) -> int:
        return self.chance.choice(PEOPLE)

    def _signer(self) -> bytes:
        return account(self.chance.choice(VOTERS))

    def _blob(self) -> Blob:
        """One of the newest, most of the time."""
        if not self.blobs:
            return self.chain.blob()
        return self.chance.choice(self.blobs[-4:] if self.chance.random() < 0.7 else self.blobs)

    def _id(self) -> bytes:
        return self._blob().id(self.chain.network)

    def _number(self) -> int:
        count = int(self.chain.read("challengeCount"))
        return self.chance.randrange(max(0, count - 6), count + 1)


@pytest.mark.parametrize("seed", range(2))
def test_the_books_balance_after_every_call(tmp_path: Path, seed: int) -> None:
    rules = data_file(chain_file(epoch_blocks=100), request_blocks=20, answer_blocks=6)
    chain = DataChain(tmp_path, parse(rules, "books"))
    crowd = Crowd(chain, seed)
    for _ in range(STEPS):
        crowd.step()
        check(chain, SIGNERS, crowd.blobs, PEOPLE)
    rare = {"request_exit", "withdraw", "answer"}
    assert WEIGHTS.keys() - {"advance", "epoch"} - rare <= crowd.accepted, "a walk long enough to see them"
