"""From settings to parts: what the node, the maintenance commands and the simulator open in the same way."""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from zg_node import _core
from zg_node.config import MIB, Settings
from zg_node.db.files import SYSTEM, Files
from zg_node.epochs import ShardEpochs, ValidatorSets, Voter
from zg_node.errors import InvalidConfig
from zg_node.execution import genesis as genesis_file
from zg_node.execution.engine import Engine
from zg_node.execution.genesis import Genesis
from zg_node.execution.service import Chain, ChainOptions
from zg_node.execution.snapshot import recover_snapshot
from zg_node.reveals import Reveals
from zg_node.rpc.connection import is_loopback
from zg_node.rpc.limits import Limits, Listener

log = logging.getLogger("zg.node")


def load_genesis(settings: Settings, home: Path) -> Genesis:
    """The network's genesis: a packaged chain by its name, else a file, relative to `home`. Raises InvalidConfig."""
    name = settings.network.genesis
    if name in genesis_file.PACKAGED:
        return genesis_file.parse(genesis_file.packaged(name), name)
    return genesis_file.load(home / name)


def open_chain(
    settings: Settings,
    genesis: Genesis,
    home: Path,
    shard: int,
    now_ms: Callable[[], int],
    sets: ValidatorSets,
    *,
    voter: Voter | None = None,
    files: Files = SYSTEM,
    engine: Engine | None = None,
) -> Chain:
    """Open a shard's chain in `home`, replaying its log. The root shard is opened first: `sets` then reads from it.

    Only a `voter` proposes blocks; `engine` stands in for the configured one. Raises Corrupt, Unavailable,
    InvalidConfig."""
    recover_snapshot(home / f"shard-{shard}")
    chain_id = genesis.chain_id(shard)
    native = _core.Engine(chain_id)
    options = ChainOptions(
        cache_bytes=settings.state.cache_mb * MIB,
        history_blocks=None if settings.state.archive else settings.state.history_blocks,
        flush_bytes=settings.state.flush_mb * MIB,
    )
    chain = Chain(
        shard,
        genesis,
        sets.certain(0).hash(),
        home / f"shard-{shard}",
        engine or engine_for(settings, native, chain_id),
        native,
        make_pool(settings, chain_id),
        options,
        now_ms,
        lambda blocks: log.info("shard=%d replayed=%d", shard, blocks),
        files,
    )
    if shard == 0:
        sets.follow(chain)
    chain.follow(ShardEpochs(genesis, chain, sets), Reveals(genesis.network, chain_id, sets, voter))
    return chain


def make_pool(settings: Settings, chain_id: int) -> _core.Pool:
    """A shard's mempool."""
    mempool = settings.mempool
    return _core.Pool(
        chain_id,
        max_transactions=mempool.max_transactions,
        max_bytes=mempool.max_bytes,
        max_per_sender=mempool.max_per_sender,
        max_queued_per_sender=mempool.max_queued_per_sender,
        max_queued=mempool.max_queued,
        lifetime_ms=mempool.lifetime_s * 1000,
        price_bump_percent=mempool.price_bump_percent,
        min_tip=mempool.min_tip_wei,
        allow_unprotected=mempool.allow_unprotected,
    )


def rpc_listener(settings: Settings) -> Listener:
    """The JSON-RPC port. It serves /metrics, too, while only this machine can reach it."""
    rpc = settings.rpc
    private = rpc.host == "localhost" or is_loopback((rpc.host,))
    return Listener(
        rpc.host, rpc.port, rpc.allowed_hosts, rpc.cors_origins, metrics=private and settings.metrics.enabled
    )


def rpc_limits(settings: Settings) -> Limits:
    """What a listener accepts."""
    rpc = settings.rpc
    return Limits(
        connections_max=rpc.connections_max,
        body_max_bytes=rpc.body_max_bytes,
        request_timeout_s=rpc.request_timeout_s,
        keep_alive_s=rpc.keep_alive_s,
        write_buffer_max_bytes=rpc.write_buffer_max_bytes,
        batch_items_max=rpc.batch_items_max,
        batch_response_max_bytes=rpc.batch_response_max_bytes,
        submit_workers=rpc.submit_workers,
        workers=rpc.workers,
        call_gas_cap=rpc.call_gas_cap,
        call_timeout_ms=rpc.call_timeout_ms,
        logs_blocks_max=rpc.logs_blocks_max,
        logs_results_max=rpc.logs_results_max,
        logs_terms_max=rpc.logs_terms_max,
        proof_slots_max=rpc.proof_slots_max,
        fee_history_blocks_max=rpc.fee_history_blocks_max,
        filters_max=rpc.filters_max,
        filter_idle_s=rpc.filter_idle_s,
        subscriptions_max=rpc.subscriptions_max,
        minimum_tip=settings.mempool.min_tip_wei,
    )


def engine_for(settings: Settings, native: _core.Engine, chain_id: int) -> Engine:
    """The engine that executes blocks. Raises InvalidConfig when it is not installed."""
    if settings.engine.name == "native":
        return native
    try:
        from zg_node.execution.pyevm import PyEvmEngine
    except ModuleNotFoundError as error:
        raise InvalidConfig(f"the py-evm engine needs {error.name}: pip install 'zg-node[pyevm]'") from error
    return PyEvmEngine(native, chain_id)


def client_version() -> str:
    """As web3_clientVersion gives it."""
    system = f"{platform.system().lower()}-{platform.machine()}"
    return f"zg_node/v{metadata.version('zg-node')}/{system}/python{platform.python_version()}"
