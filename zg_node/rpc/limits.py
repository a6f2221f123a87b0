"""What a listener accepts and how much of it: the settings that the configuration hands to the server."""

from __future__ import annotations

from dataclasses import dataclass

NAMESPACES = ("eth", "net", "web3", "txpool", "personal", "rpc", "zg")
"""Every namespace that exists; a listener serves all of them unless its settings say otherwise."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what clients may ask; every one of them is enforced for every client."""

    connections_max: int = 1024
    """Open sockets a listener; the next ones are closed at once."""
    body_max_bytes: int = 5_000_000
    """Largest HTTP body and largest WebSocket message."""
    message_values_max: int = 200_000
    """JSON values in one body or message, roughly: commas and opening brackets."""
    head_max_bytes: int = 16_384
    """Largest HTTP request line with headers."""
    request_timeout_s: int = 30
    """For a request to arrive, for an answer to be taken, and for queued work to begin."""
    keep_alive_s: int = 120
    """An idle HTTP connection is closed after this."""
    pipeline_max: int = 64
    """Unanswered requests a connection before the server stops reading from it."""
    write_buffer_max_bytes: int = 33_554_432
    """Bytes that a client has not taken yet; a slower one is disconnected. Above `batch_response_max_bytes`."""
    answers_max_bytes: int = 134_217_728
    """Answers of all clients together that are made and not yet taken; past it, batches are cut and stalled clients
    disconnected."""
    batch_items_max: int = 100
    batch_response_max_bytes: int = 25_000_000
    submit_queue_max: int = 50_000
    """Transactions that wait for validation, a shard."""
    submit_workers: int = 2
    """Threads that validate, a shard; one connection always uses the same one, so its order holds."""
    call_queue_max: int = 10_000
    """Calls that wait for a worker, a shard."""
    work_queue_max: int = 1_000
    """Other heavy requests that wait for a worker."""
    workers: int = 4
    """Threads for calls and other heavy requests, all shards together."""
    call_gas_cap: int = 50_000_000
    call_timeout_ms: int = 5_000
    logs_blocks_max: int = 10_000
    """Blocks in one eth_getLogs range."""
    logs_results_max: int = 10_000
    logs_terms_max: int = 1_000
    """Addresses, or topics in one position, of one filter."""
    proof_slots_max: int = 1_024
    fee_history_blocks_max: int = 1_024
    fee_history_percentiles_max: int = 100
    filters_max: int = 1_024
    """Installed filters, a shard."""
    filter_idle_s: int = 300
    subscriptions_max: int = 128
    """Subscriptions, a WebSocket connection."""
    sync_wait_default_ms: int = 2_000
    """eth_sendRawTransactionSync without a timeout. EIP-7966"""
    sync_wait_max_ms: int = 20_000
    sync_waiters_max: int = 10_000
    """Receipts being waited for, a shard."""
    minimum_tip: int = 0
    """Wei: what eth_maxPriorityFeePerGas answers while blocks have room."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One port and what it serves."""

    host: str = "127.0.0.1"
    port: int = 8545
    """0 lets the system choose."""
    hosts: tuple[str, ...] = ("localhost",)
    """Host header names that are accepted beside IP addresses; `*` accepts all. Guards against DNS rebinding."""
    origins: tuple[str, ...] = ()
    """Browser origins that may call (CORS and WebSocket); `*` allows all."""
    namespaces: tuple[str, ...] = NAMESPACES
    rpc: bool = True
    """Serve JSON-RPC; a metrics-only listener sets this to False."""
    metrics: bool = False
    """Serve GET /metrics."""
