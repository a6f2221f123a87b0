"""A light client of data availability: from a chain file and one address to a claim about a blob.

    genesis ─▶ host of its own, fresh identity ─▶ certified headers ─▶ storage proofs: the blob is certified, and who
                                                                       keeps which rows ─▶ random cells ─▶ claim

It keeps nothing between runs and trusts nobody it talks to.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zg_node import metrics
from zg_node.config import Settings
from zg_node.consensus.light import Trusted
from zg_node.contracts import da
from zg_node.da import light, sampling
from zg_node.da.certificate import Blob
from zg_node.da.lines import Lines
from zg_node.da.sampling import Sampled
from zg_node.epochs import ValidatorSets
from zg_node.errors import InvalidRequest
from zg_node.execution.genesis import Genesis
from zg_node.identity import require_p2p
from zg_node.lightclient import LightClient, Prover, Words
from zg_node.p2p.client import P2pNetwork
from zg_node.p2p.network import Network
from zg_node.p2p.settings import P2pSettings
from zg_node.stateproof import SLOTS_MAX

LISTEN = "/ip4/127.0.0.1/tcp/0"
"""Nobody has to reach a light client."""
CONNECT_S = 10.0
"""How long to wait for connections: to anybody, and then to the blob's holders."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a light client found out."""

    words: Words
    """The certified header, and the slot that names the blob."""
    blob: Blob
    sampled: Sampled
    received_bytes: int
    """By everything that it asked."""
    sent_bytes: int


async def claim(
    genesis: Genesis,
    bootstrap: Sequence[str],
    directory: Path,
    commitment: bytes,
    samples: int,
    prover: Prover | None = None,
) -> Claim:
    """Connect, prove, sample. `directory` is for the host's files, and may be removed afterwards. Raises
    InvalidRequest when the blob is not certified, Unavailable when nobody can prove either."""
    network = make_host(genesis, bootstrap, directory)
    await network.start()
    try:
        return await Sampler(network, genesis, prover).claim(commitment, samples)
    finally:
        await network.stop()


def make_host(genesis: Genesis, bootstrap: Sequence[str], directory: Path) -> P2pNetwork:
    """A libp2p host that nobody has seen before, not started. Raises InvalidConfig."""
    require_p2p()
    settings = P2pSettings(
        listen=LISTEN,
        bootstrap=tuple(bootstrap),
        identity=secrets.token_bytes(32),
        home=directory,
        network=genesis.network[:8].hex(),
        shards=genesis.file.shards,
        fast_path=Settings().p2p.fast_path,
        dht=False,
    )
    return P2pNetwork(settings, metrics.new_registry())


class Sampler:
    """One client over a network that runs."""

    def __init__(self, network: Network, genesis: Genesis, prover: Prover | None = None) -> None:
        first = ValidatorSets(genesis).certain(0)
        trusted = Trusted(genesis.network, genesis.chain_id(0), True, genesis.epoch_blocks, 0, first)
        self._network = network
        self._genesis = genesis
        self._prover = prover
        self._light = LightClient(network, trusted)
        self._sent = self._received = 0
        self._lines = Lines(network, None, self._count)
        self._changed = asyncio.Event()
        network.on_peer(lambda peer, there: self._changed.set())

    async def claim(self, commitment: bytes, samples: int) -> Claim:
        """Prove that the blob is certified, and sample it. Raises InvalidRequest, Unavailable."""
        await self._until(lambda: bool(self._network.peers()))
        words = await self._words((int.from_bytes(da.certified_key(commitment), "big"),))
        blob_id = words.values[0].to_bytes(32, "big")
        if not any(blob_id):
            raise InvalidRequest(f"block {words.header.number} proves that 0x{commitment.hex()} is not certified")
        epoch = words.header.number // self._genesis.epoch_blocks
        found = await light.locate(self._read, commitment, blob_id, epoch)
        holders = [holder for holder in found.assignments[0].holders.holders if holder.peer]
        await self._until(lambda: all(self._lines.peer_of(holder) is not None for holder in holders))
        sampled = await sampling.sample(
            commitment, found.blob.length, found.assignments, self._lines, secrets.SystemRandom(), samples
        )
        received, sent = self._received + self._light.bytes_received, self._sent + self._light.bytes_sent
        return Claim(words, found.blob, sampled, received, sent)

    async def _words(self, slots: Sequence[int]) -> Words:
        return await self._light.words(da.DATA_AVAILABILITY, slots, self._prover)

    async def _read(self, slots: Sequence[int]) -> Sequence[int]:
        """Proven words of the contract, as many as one likes. Raises Unavailable."""
        values: list[int] = []
        for start in range(0, len(slots), SLOTS_MAX):
            values += (await self._words(slots[start : start + SLOTS_MAX])).values
        return values

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition on the connected peers holds, or for CONNECT_S."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_S):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()

    def _count(self, sent: int, received: int) -> None:
        self._sent += sent
        self._received += received
