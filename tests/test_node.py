"""The composition root in this process: it starts whole or not at all, and what fails in it ends it with its cause."""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from coincurve import PrivateKey

from tests.jsonrpc import Client
from tests.transfers import transfer
from zg_node.assembly import rpc_listener
from zg_node.config import Settings, override
from zg_node.consensus.snapshot_sync import SnapshotProgress
from zg_node.consensus.votes import address_of
from zg_node.epochs import Voter
from zg_node.errors import InvalidConfig
from zg_node.execution.genesis import packaged
from zg_node.keys import bls_pubkey
from zg_node.node import BlockLine, Node, first_cause
from zg_node.rpc.api import Starting
from zg_node.shard import Shard

SETTINGS = override(Settings(), {"rpc.port": 0, "metrics.port": 0, "state.cache_mb": 8})
NETWORKED = override(SETTINGS, {"p2p.enabled": True, "p2p.listen": "/ip4/127.0.0.1/tcp/0", "p2p.snapshot": False})
NOBODY = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWJo4Wrk3q3zXutxtpXMDFC4nduxMJJRKxKQcXu1TbG6K1"


def run(node: Node, use: Callable[[Node], Awaitable[None]]) -> None:
    """Start, use, stop."""

    async def life() -> None:
        await node.start()
        try:
            await use(node)
        finally:
            await node.stop()

    asyncio.run(life())


async def call(url: str, method: str, *params: object) -> Any:
    def blocking() -> Any:
        with Client(url) as client:
            return client.call(method, *params)

    return await asyncio.to_thread(blocking)


async def receipt(url: str, tx_hash: str) -> dict[str, Any]:
    """Poll until the transaction is final."""
    async with asyncio.timeout(20):
        while (found := await call(url, "eth_getTransactionReceipt", tx_hash)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert isinstance(found, dict)
    return found


def chain_file(home: Path, validators: str) -> Settings:
    """The development network with other validators, as a file in `home`."""
    home.mkdir(exist_ok=True)
    (home / "chain.toml").write_text(packaged("devnet").split("[[validators]]", 1)[0] + validators)
    return override(SETTINGS, {"network.genesis": "chain.toml"})


def validator(key: bytes) -> str:
    address = address_of(PrivateKey(key).public_key)
    return f'[[validators]]\naddress = "0x{address.hex()}"\nstake = 32\npubkey48 = "0x{bls_pubkey(key).hex()}"\n'


# ── running ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_transfer_becomes_final_and_is_told(tmp_path: Path) -> None:
    told: list[BlockLine] = []
    node = Node(SETTINGS, tmp_path, on_block=told.append)

    async def use(node: Node) -> None:
        url = node.shards[0].url
        final = await receipt(url, await call(url, "eth_sendRawTransaction", transfer(0, 0)))
        line = next(line for line in told if line.transactions == 1)
        assert (line.shard, hex(line.number)) == (0, final["blockNumber"])
        assert "0x" + line.hash.hex() == final["blockHash"]
        assert line.gas_used == 21_000

    run(node, use)
    assert [line.number for line in told] == list(range(1, len(told) + 1))


def test_shards_are_chains_of_their_own(tmp_path: Path) -> None:
    node = Node(override(SETTINGS, {"network.shards": 2}), tmp_path)

    async def use(node: Node) -> None:
        root, other = node.shards
        assert (root.chain_id, other.chain_id) == (1_660_200, 1_660_201)
        raw = transfer(0, 0, shard=1)
        await receipt(other.url, await call(other.url, "eth_sendRawTransaction", raw))
        sender = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
        assert await call(other.url, "eth_getTransactionCount", sender, "latest") == "0x1"
        assert await call(root.url, "eth_getTransactionCount", sender, "latest") == "0x0"

    run(node, use)
    assert {path.name for path in tmp_path.iterdir()} == {"da", "shard-0", "shard-1", "voters"}


@pytest.mark.parametrize(
    ("host", "enabled", "served"),
    [
        ("127.0.0.1", True, True),
        ("::1", True, True),
        ("localhost", True, True),
        ("127.0.0.1", False, False),
        ("0.0.0.0", True, False),
        ("node.example.org", True, False),
    ],
)
def test_metrics_are_on_the_json_rpc_port_where_strangers_cannot_reach_it(
    host: str, enabled: bool, served: bool
) -> None:
    settings = override(Settings(), {"rpc.host": host, "metrics.enabled": enabled})
    assert rpc_listener(settings).metrics is served


def test_what_was_final_is_there_at_the_next_start(tmp_path: Path) -> None:
    final: dict[str, Any] = {}

    async def first(node: Node) -> None:
        url = node.shards[0].url
        final.update(await receipt(url, await call(url, "eth_sendRawTransaction", transfer(0, 0))))

    async def second(node: Node) -> None:
        assert await call(node.shards[0].url, "eth_getTransactionReceipt", final["transactionHash"]) == final

    run(Node(SETTINGS, tmp_path), first)
    run(Node(SETTINGS, tmp_path), second)


def test_a_node_that_joins_says_so_until_its_shards_are_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(override(SETTINGS, {"p2p.enabled": True, "p2p.listen": "/ip4/127.0.0.1/tcp/0"}), tmp_path)
    opening, go_on = threading.Event(), threading.Event()
    open_shard = node._open_shard

    def slowly(index: int, voter: Voter | None) -> Shard:
        opening.set()
        assert go_on.wait(20)
        return open_shard(index, voter)

    async def nobody_offers(*arguments: object) -> None:
        assert (await call(f"http://127.0.0.1:{node._servers[0].port}", "zg_nodeInfo"))["starting"]

    monkeypatch.setattr(node, "_open_shard", slowly)
    monkeypatch.setattr(node, "_joins", lambda voter: True)
    monkeypatch.setattr("zg_node.node.join_by_snapshot", nobody_offers)

    async def life() -> None:
        started = asyncio.create_task(node.start())
        try:
            await asyncio.to_thread(opening.wait, 20)
            url = f"http://127.0.0.1:{node._servers[0].port}"
            info = await call(url, "zg_nodeInfo")
            assert (info["ready"], info["starting"]["stage"]) == (False, "opening the shards")
            go_on.set()
            await started
            info = await call(url, "zg_nodeInfo")
            assert (info["ready"], info["starting"]) == (True, None)
            assert await call(url, "eth_blockNumber") is not None
        finally:
            go_on.set()
            await started
            await node.stop()

    asyncio.run(life())


def test_how_far_the_copy_of_a_state_is_can_be_asked_for(tmp_path: Path) -> None:
    told: list[SnapshotProgress] = []
    node = Node(SETTINGS, tmp_path, on_join=told.append)
    for progress in (SnapshotProgress(1, 0, 0, 0), SnapshotProgress(1, 64, 3, 8)):
        node._tell_join(progress)
    assert node._starting == Starting("joining: shard 1, the state of block 64, 3 of 8 pieces", 3, 8)
    assert len(told) == 2


def test_a_node_that_hears_from_nobody_is_not_ready(tmp_path: Path) -> None:
    ready: list[bool] = []

    async def use(node: Node) -> None:
        ready.append((await call(node.shards[0].url, "zg_nodeInfo"))["ready"])

    run(Node(override(NETWORKED, {"p2p.bootstrap": (NOBODY,)}), tmp_path / "following"), use)
    run(Node(NETWORKED, tmp_path / "alone"), use)
    assert ready == [False, True]


async def looks(node: Node, monkeypatch: pytest.MonkeyPatch, count: int = 3) -> None:
    """Wait until the node has looked so often at where it stands."""
    judge, left, done = node._judge, iter(range(count)), asyncio.Event()

    def judge_and_count(voter: Voter | None) -> None:
        judge(voter)
        if next(left, None) is None:
            done.set()

    monkeypatch.setattr("zg_node.node.LOOK_S", 0.001)
    monkeypatch.setattr(node, "_judge", judge_and_count)
    await asyncio.wait_for(done.wait(), 20)


def test_a_node_that_reaches_no_bootstrap_address_names_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zg_node.readiness.FIRST_S", 0.0)

    async def use(node: Node) -> None:
        await looks(node, monkeypatch)

    run(Node(override(NETWORKED, {"p2p.bootstrap": (NOBODY,)}), tmp_path / "following"), use)
    [warning] = [record.getMessage() for record in caplog.records if record.name == "zg.node"]
    assert warning == f"no peer answers: is {NOBODY} right and reachable?"
    caplog.clear()
    run(Node(NETWORKED, tmp_path / "alone"), use)
    assert not caplog.records


def test_a_voter_without_a_place_is_told_once_it_follows_the_network(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "zg.node")
    stranger = Voter.of(b"\1" * 32)

    async def use(node: Node) -> None:
        await looks(node, monkeypatch)
        assert "not among the validators" not in caplog.text
        monkeypatch.setattr(node, "_is_quorum", lambda voter: True)  # who needs nobody has nothing to catch up with
        await looks(node, monkeypatch)

    run(Node(override(NETWORKED, {"network.shards": 2}), tmp_path, vote_key=stranger.key.secret), use)
    assert caplog.text.count(f"epoch=0 0x{stranger.address.hex()} is not among the validators") == 1


def test_stopping_twice_is_stopping_once(tmp_path: Path) -> None:
    async def use(node: Node) -> None:
        await node.stop()
        await node.wait()

    run(Node(SETTINGS, tmp_path), use)


# ── failing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("log", ["block log", "vote log"])
@pytest.mark.parametrize("step", ["append", "sync"])
def test_a_log_that_cannot_be_written_ends_the_node_and_nothing_more_becomes_final(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: str, step: str
) -> None:
    async def use(node: Node) -> None:
        parts = node._shards[0]
        assert parts.votes is not None
        segments = parts.chain._log._segments if log == "block log" else parts.votes._segments

        def fail(*arguments: object) -> None:
            raise OSError("the disk is gone")

        head = parts.chain.head.number
        monkeypatch.setattr(segments, step, fail)
        monkeypatch.setattr(parts.chain, "checkpoint", lambda: pytest.fail("a node that failed writes a checkpoint"))
        with pytest.raises(OSError, match="the disk is gone"):
            async with asyncio.timeout(20):
                await node.wait()
        assert parts.chain.head.number <= head + 1
        assert parts.chain.by_number(head + 2) is None

    run(Node(SETTINGS, tmp_path), use)


def test_a_start_that_fails_lets_go_of_everything(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        node = Node(override(SETTINGS, {"metrics.port": taken.getsockname()[1]}), tmp_path)
        with pytest.raises(InvalidConfig, match="cannot listen"):
            asyncio.run(node.start())

    async def use(node: Node) -> None:
        assert await call(node.shards[0].url, "eth_blockNumber") is not None

    run(Node(SETTINGS, tmp_path), use)


@pytest.mark.parametrize(
    ("validators", "key", "sentence"),
    [
        (validator(b"\1" * 32) + validator(b"\2" * 32), b"\1" * 32, "names several validators"),
        (validator(b"\1" * 32), b"\2" * 32, "is not a validator of this network's genesis"),
        (validator(b"\1" * 32), None, "no vote key"),
    ],
)
def test_a_key_that_does_not_fit_the_validators_is_refused(
    tmp_path: Path, validators: str, key: bytes | None, sentence: str
) -> None:
    node = Node(chain_file(tmp_path, validators), tmp_path, vote_key=key)
    with pytest.raises(InvalidConfig, match=sentence):
        asyncio.run(node.start())
    assert not (tmp_path / "shard-0").exists()


def test_the_public_key_votes_where_there_is_no_network_to_follow_and_nowhere_else(tmp_path: Path) -> None:
    alone = override(SETTINGS, {"p2p.enabled": True})
    following = override(alone, {"p2p.bootstrap": (NOBODY,)})
    assert Node(alone, tmp_path)._voter() == Node(SETTINGS, tmp_path)._voter() is not None
    assert Node(following, tmp_path)._voter() is None
    own = Node(following, tmp_path, vote_key=b"\1" * 32)._voter()
    assert own is not None
    assert own.address == address_of(PrivateKey(b"\1" * 32).public_key)


def test_the_public_key_does_not_go_on_with_a_chain_that_was_followed(tmp_path: Path) -> None:
    nonces = iter((0, 1))

    async def use(node: Node) -> None:
        url = node.shards[0].url
        await receipt(url, await call(url, "eth_sendRawTransaction", transfer(0, next(nonces))))

    run(Node(SETTINGS, tmp_path), use)
    for voted in (tmp_path / "shard-0" / "votes", tmp_path / "voters"):
        shutil.rmtree(voted)  # a follower has none
    (tmp_path / "shard-0" / "voter").unlink()
    in_network = override(SETTINGS, {"p2p.enabled": True, "p2p.listen": "/ip4/127.0.0.1/tcp/0"})
    with pytest.raises(InvalidConfig, match="followed a network until now: start it with --bootstrap"):
        asyncio.run(Node(in_network, tmp_path).start())
    assert not (tmp_path / "shard-0" / "votes").exists()
    run(Node(SETTINGS, tmp_path), use)  # alone, as after an import


def test_a_validator_with_its_key_makes_blocks(tmp_path: Path) -> None:
    node = Node(chain_file(tmp_path, validator(b"\1" * 32)), tmp_path, vote_key=b"\1" * 32)

    async def use(node: Node) -> None:
        url = node.shards[0].url
        await receipt(url, await call(url, "eth_sendRawTransaction", transfer(0, 0)))

    run(node, use)


def test_a_chain_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=f"cannot read the genesis file {tmp_path}/nowhere.toml"):
        Node(override(SETTINGS, {"network.genesis": "nowhere.toml"}), tmp_path)


def test_the_first_cause_is_inside_the_groups() -> None:
    cause = OSError("the cause")
    assert first_cause(BaseExceptionGroup("outer", [ExceptionGroup("inner", [cause, ValueError()])])) is cause
    assert first_cause(cause) is cause
