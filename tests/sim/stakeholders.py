"""The people behind the validators: they move stake as the plan says, and bring who was jailed back.

    Move ─▶ calls of the staking contract ─▶ Account: one transaction after the other, to any node, until it is final

Everything goes through the mempools and blocks of the schedule, so a transaction may be lost and is sent again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Protocol

import orjson

from tests.sim import genesis
from tests.sim.genesis import COIN
from tests.sim.stake import Move
from zg_node import _core
from zg_node.cli.votekey import ValidatorKeys
from zg_node.consensus.votes import address_of
from zg_node.contracts import staking
from zg_node.contracts.staking import STAKING, ValidatorInfo
from zg_node.execution.genesis import Genesis
from zg_node.execution.service import Chain

SEND_S = 0.04
LOOK_S = 0.4
GAS = 3_000_000
"""Enough for every call, the check of a BLS key's proof included."""
CALL_TIMEOUT_MS = 10_000
INFOS_MAX = 256
"""Answers that are not parsed again; most say what the one before said."""
NO_DESCRIPTION = ("",) * 5


class Entry(Protocol):
    """A node as people see it."""

    def submit(self, raw: str) -> bool: ...

    @property
    def root(self) -> Chain | None:
        """The root shard's chain while the node runs."""


@dataclass(slots=True)
class Account:
    """An operator, and what it has yet to do, in order."""

    key: bytes
    address: bytes
    nonce: int = 0
    calls: deque[tuple[bytes, int]] = field(default_factory=deque)
    """(call data for the staking contract, wei)."""


class Stakeholders:
    """Everybody with stake in a schedule."""

    def __init__(self, network: Genesis, voters: Sequence[bytes], entries: Sequence[Entry], rng: Random) -> None:
        """`voters` are the secrets of the nodes' vote keys."""
        self._genesis = network
        self._entries = entries
        self._rng = rng
        self._keys = [ValidatorKeys.of(secret) for secret in voters]
        self._pubkeys = [keys.bls_pubkey for keys in self._keys]
        self._validators = [staking.validator_address(pubkey) for pubkey in self._pubkeys]
        operators = genesis.operators()[: len(self._keys)]
        self._accounts = [Account(key.secret, address_of(key.public_key)) for key in operators]
        self.unjailed = 0

    async def move(self, moves: Sequence[Move]) -> None:
        """Do what the plan says when its time comes."""
        began = asyncio.get_running_loop().time()
        for move in moves:
            await asyncio.sleep(max(0.0, began + move.at_s - asyncio.get_running_loop().time()))
            self._accounts[move.node].calls.extend(self._calls(move))

    async def send(self) -> None:
        """Have every account's next transaction sent again until it is final."""
        while True:
            for account in self._accounts:
                if account.calls:
                    self._send(account, self._rng.choice(self._entries))
            await asyncio.sleep(self._rng.uniform(0.5, 1.5) * SEND_S)

    async def unjail(self) -> None:
        """Look at the validators every now and then, and bring back who may come back."""
        while True:
            await asyncio.sleep(self._rng.uniform(0.5, 1.5) * LOOK_S)
            chain = self._rng.choice(self._entries).root
            for number, account in enumerate(self._accounts):
                if chain is None or account.calls:
                    continue
                info = self.info(chain, number)
                epoch = chain.head.consensus.epoch
                if info is not None and 0 < info.jailed_until <= epoch and not info.tombstoned:
                    account.calls.append((staking.function("unjail").encode(info.validator), 0))
                    self.unjailed += 1

    def info(self, chain: Chain, number: int) -> ValidatorInfo | None:
        """What the contract says of a node's validator; None when there is none."""
        data = staking.function("validatorInfo").encode(self._validators[number])
        request = orjson.dumps({"to": "0x" + STAKING.hex(), "input": "0x" + data.hex()})
        head = chain.head
        (answer,) = chain.engine.call(
            chain.state, head.hash, head.header.raw, [_core.CallRequest(request, None, GAS, CALL_TIMEOUT_MS)]
        )
        return _decode_info(answer) if isinstance(answer, bytes) else None

    def _send(self, account: Account, entry: Entry) -> None:
        chain = entry.root
        if chain is None:
            return
        known = chain.state.account(chain.head.hash, account.address)
        if known is not None and known[0] > account.nonce:
            account.nonce += 1
            account.calls.popleft()
            return
        data, value = account.calls[0]
        entry.submit(genesis.signed(account.key, account.nonce, STAKING, value, data, GAS))

    def _calls(self, move: Move) -> list[tuple[bytes, int]]:
        pubkey, wei = self._pubkeys[move.node], move.coins * COIN
        validator = self._validators[move.node]
        match move.kind:
            case "delegate":
                return [(staking.function("delegate").encode(validator), wei)]
            case "undelegate" | "leave":
                return [(staking.function("undelegate").encode(validator, wei), 0)]
            case "join":
                return self._joining(move.node, pubkey, wei)
        raise ValueError(f"nobody knows how to {move.kind}")

    def _joining(self, number: int, pubkey: bytes, wei: int) -> list[tuple[bytes, int]]:
        """Create a validator and register its vote key, each with its proof."""
        keys, network, chain_id = self._keys[number], self._genesis.network, self._genesis.chain_id(0)
        operator = self._accounts[number].address
        possession = keys.possession(staking.possession_message(network, chain_id, pubkey, operator))
        terms = (NO_DESCRIPTION, 0, 0, pubkey, possession)
        proof = keys.vote_key_proof(staking.vote_key_digest(network, chain_id, pubkey))
        return [
            (staking.function("createAndInitializeValidatorIfNecessary").encode(*terms), wei),
            (staking.function("registerVoteKey").encode(pubkey, keys.voter, proof), 0),
        ]


_decode_info = lru_cache(INFOS_MAX)(staking.decode_info)
