"""What must hold once a fault is over: one chain, nothing lost, nobody framed, and finality again."""

from __future__ import annotations

import time
from collections.abc import Collection

from tests.faults.network.cluster import VALIDATORS, Cluster
from tests.faults.network.load import Acknowledged
from tests.jsonrpc import Client
from tests.testnet import await_head, heads
from zg_node.cli.client import RpcClient
from zg_node.cli.staking import StakingClient

FINALITY_S = 30.0
"""Until a node has new blocks. Generous: the machine is shared."""
BATCH = 100
NEW_BLOCKS = 2


def settled(
    cluster: Cluster,
    acknowledged: Acknowledged,
    *,
    within_s: float = FINALITY_S,
    guilty: Collection[int] = (),
    without: Collection[int] = (),
) -> float:
    """Check everything, on all nodes but `without`; validators in `guilty` have contradicted themselves on purpose.

    Returns how many seconds it took until every node had blocks that none had before."""
    nodes = [node for node in range(VALIDATORS) if node not in without]
    took = await_finality(cluster, nodes, within_s)
    for shard in range(cluster.shards):
        clients = [cluster.client(node, shard) for node in nodes]
        try:
            check_one_chain(clients, shard)
            check_nothing_lost(clients, acknowledged, shard)
        finally:
            for client in clients:
                client.close()
    check_nobody_framed(cluster, nodes[0], guilty)
    return took


def await_finality(
    cluster: Cluster, nodes: Collection[int], within_s: float = FINALITY_S, *, blocks: int = NEW_BLOCKS
) -> float:
    """Wait until each of `nodes` has `blocks` on every shard that none has now; returns how many seconds it took."""
    began = time.monotonic()
    for shard in range(cluster.shards):
        clients = [cluster.client(node, shard) for node in nodes]
        try:
            goal = max(heads(clients)) + blocks
            for client in clients:
                await_head(client, goal, max(1.0, began + within_s - time.monotonic()))
        finally:
            for client in clients:
                client.close()
    return time.monotonic() - began


def check_one_chain(clients: list[Client], shard: int) -> None:
    """Every common height has one hash, and every block follows its parent."""
    common = min(heads(clients))
    parent = None
    for start in range(0, common + 1, BATCH):
        numbers = range(start, min(start + BATCH, common + 1))
        answers = [
            client.batch("eth_getBlockByNumber", [[hex(number), False] for number in numbers]) for client in clients
        ]
        for number, *blocks in zip(numbers, *answers, strict=True):
            hashes = {block["hash"] for block in blocks}
            assert len(hashes) == 1, f"shard {shard} has {len(hashes)} blocks {number}: {hashes}"
            assert parent in (None, blocks[0]["parentHash"]), (
                f"shard {shard}: block {number} does not follow its parent"
            )
            parent = blocks[0]["hash"]


def check_nothing_lost(clients: list[Client], acknowledged: Acknowledged, shard: int) -> None:
    """Every receipt that any node served is what every node serves now."""
    receipts = list(acknowledged.receipts[shard].values())
    head = max(int(receipt["blockNumber"], 16) for receipt in receipts) if receipts else 0
    for client in clients:
        await_head(client, head, FINALITY_S)
        for start in range(0, len(receipts), BATCH):
            part = receipts[start : start + BATCH]
            answers = client.batch("eth_getTransactionReceipt", [[receipt["transactionHash"]] for receipt in part])
            for receipt, answer in zip(part, answers, strict=True):
                assert answer == receipt, f"shard {shard}: a receipt was {receipt}, and is {answer}"


def check_nobody_framed(cluster: Cluster, node: int, guilty: Collection[int]) -> None:
    """The staking contract has slashed the guilty at most."""
    contract = StakingClient(RpcClient(cluster.url(node)))
    slashed = {info.voter for info in contract.list() if info.tombstoned}
    framed = [index for index, place in enumerate(cluster.places) if place.voter in slashed and index not in guilty]
    assert not framed, f"validators {framed} were slashed, and have done nothing"


def jailed(cluster: Cluster) -> list[int]:
    """The validators that were away for too long."""
    contract = StakingClient(RpcClient(cluster.url(0)))
    voters = {info.voter for info in contract.list() if info.jailed_until}
    return [index for index, place in enumerate(cluster.places) if place.voter in voters]


def is_slashed(cluster: Cluster, asked: int, node: int) -> bool:
    """Whether `asked` knows that `node` was slashed and tombstoned."""
    contract = StakingClient(RpcClient(cluster.url(asked)))
    return any(info.tombstoned and info.voter == cluster.places[node].voter for info in contract.list())
