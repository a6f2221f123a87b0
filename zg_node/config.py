"""What an operator can set: frozen, typed, every field documented, unknown keys refused.

    config.toml ──load──▶ Settings ──▶ node.py hands each section to the part it belongs to
    Settings() ──render──▶ a TOML file in which every field is explained (`zg-node config default`)

A field's docstring is its documentation everywhere. Sizes and times carry their unit in the name.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zg_node.errors import InvalidConfig

MIB = 1024 * 1024
CONFIG_MAX_BYTES = MIB
SHARDS_MAX = 64

Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[int, Field(gt=0)]
Workers = Annotated[int, Field(ge=1, le=64)]
Natural = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    """A table of the configuration file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class NetworkSettings(Section):
    """Which network this node belongs to."""

    genesis: Annotated[str, Field(min_length=1)] = "devnet"
    """A chain that the package carries ("devnet"), or the path of a chain file; a relative path starts at the data
    directory."""
    shards: Annotated[int, Field(ge=1, le=SHARDS_MAX)] = 1
    """How many shards to run; shard i has the network's chain id plus i. Once begun in a data directory, a
    shard has to run; more may be added."""


class NodeSettings(Section):
    """The process itself."""

    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w .-]+$")] = "zg-node"
    """What this node calls itself in logs and to peers."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least serious message to log. "info" is a line a block, "debug" a line a message."""
    log_format: Literal["text", "json"] = "text"
    """"text" for people, "json" for machines: one object a line, on standard error."""


class RpcSettings(Section):
    """JSON-RPC over HTTP and WebSocket, on one port: `/` is shard 0, `/shard/i` is shard i."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address to listen on. Anything but loopback is reachable by strangers: development accounts are switched off."""
    port: Port = 8545
    """Port to listen on; 0 takes any free one."""
    cors_origins: tuple[str, ...] = ()
    """Web origins that a browser may call from, such as "https://app.example.org"; "*" allows all."""
    allowed_hosts: tuple[str, ...] = ("localhost",)
    """Names that the Host header may carry beside IP addresses, against DNS rebinding; "*" allows all."""
    connections_max: Positive = 1_024
    """Open connections, HTTP and WebSocket together; the next ones are closed at once."""
    body_max_bytes: Positive = 5_000_000
    """Largest HTTP body and largest WebSocket message."""
    request_timeout_s: Positive = 30
    """How long a request may take to arrive, and its answer to be taken."""
    keep_alive_s: Positive = 120
    """How long an HTTP connection may stay idle."""
    write_buffer_max_bytes: Positive = 33_554_432
    """What a client may leave untaken before it is disconnected; more than `batch_response_max_bytes`."""
    batch_items_max: Positive = 100
    """Most requests in one batch."""
    batch_response_max_bytes: Positive = 25_000_000
    """Largest answer to a batch."""
    submit_workers: Workers = 2
    """Threads that validate transactions, a shard."""
    workers: Workers = 4
    """Threads for calls, logs and proofs, all shards together."""
    call_gas_cap: Positive = 50_000_000
    """Most gas that eth_call and eth_estimateGas may use."""
    call_timeout_ms: Positive = 5_000
    """Longest that one eth_call or eth_estimateGas may run."""
    logs_blocks_max: Positive = 10_000
    """Longest block range of one log query."""
    logs_results_max: Positive = 10_000
    """Most logs that one query returns."""
    logs_terms_max: Positive = 1_000
    """Most addresses, and most topics in one position, of one log query."""
    proof_slots_max: Positive = 1_024
    """Most storage slots in one eth_getProof."""
    fee_history_blocks_max: Positive = 1_024
    """Longest range of eth_feeHistory."""
    filters_max: Positive = 1_024
    """Most installed filters (eth_newFilter and its siblings), a shard."""
    filter_idle_s: Positive = 300
    """A filter that nobody asked for so long is removed."""
    subscriptions_max: Positive = 128
    """Most subscriptions of one WebSocket connection."""


class MetricsSettings(Section):
    """Prometheus metrics and health checks: `/metrics`, `/health`, `/ready`."""

    enabled: bool = True
    """Whether to listen at all."""
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address to listen on."""
    port: Port = 9545
    """Port to listen on; 0 takes any free one."""


class MempoolSettings(Section):
    """Transactions that wait for a block; the limits hold for each shard."""

    max_transactions: Positive = 200_000
    """Most transactions; when full, the cheapest make room for dearer ones."""
    max_bytes: Positive = 256 * MIB
    """Most bytes of transactions."""
    max_per_sender: Positive = 20_000
    """Most transactions of one account."""
    max_queued_per_sender: Positive = 1_024
    """Most transactions of one account that wait behind a nonce gap."""
    max_queued: Positive = 50_000
    """Most transactions of all accounts that wait behind a nonce gap; the oldest make room."""
    lifetime_s: Positive = 3 * 3600
    """How long a transaction may wait."""
    price_bump_percent: Annotated[int, Field(ge=0, le=1_000)] = 10
    """How much more a replacement of the same nonce must pay, in both fee fields."""
    min_tip_wei: Natural = 0
    """Least priority fee per gas."""
    allow_unprotected: bool = False
    """Whether to accept legacy transactions without a chain id; anyone can replay those on another chain."""
    journal: bool = True
    """Whether to write waiting transactions to a file, so that a restart finds them again."""


class StateSettings(Section):
    """Accounts, storage and their past; the limits hold for each shard."""

    cache_mb: Annotated[int, Field(ge=8)] = 128
    """Memory for state that was read or written lately, in MiB."""
    history_blocks: Natural = 10_000
    """How many blocks of past state to serve; older reads answer "missing trie node"."""
    archive: bool = False
    """Whether to keep the state of every block; `history_blocks` then counts for nothing."""
    flush_mb: Positive = 64
    """How much finalised state may wait in memory before it is written to the database, in MiB. The log has it
    already."""
    flush_interval_s: Positive = 5
    """Longest that finalised state waits in memory. A restart replays what had not been written."""


class EngineSettings(Section):
    """What executes transactions."""

    name: Literal["native", "py-evm"] = "native"
    """"native" is revm in the core. "py-evm" is the readable second opinion: hundreds of times slower, for comparing
    (`pip install zg-node[pyevm]`)."""


class ConsensusSettings(Section):
    """Who votes, and when blocks are made."""

    validator: Annotated[str, Field(pattern=r"^(0x[0-9a-fA-F]{40})?$")] = ""
    """The key of the data directory that this node votes with, by its address. "" follows without voting, but for a
    development network's only node, without a bootstrap address: it votes with the chain file's public key."""
    block_time_ms: Natural = 0
    """A block every so many milliseconds, full or empty; 0 makes one when there are transactions."""
    heartbeat_ms: Positive = 900
    """When blocks are made on demand: an empty block after so long without one."""
    min_interval_ms: Natural = 10
    """When blocks are made on demand: the least time between two."""
    delta_ms: Positive = 250
    """Δ: how long a message between validators may take. A leader is given up after 2Δ."""


class P2pSettings(Section):
    """The network of nodes: consensus, transaction gossip and sync over libp2p. A development network is alone."""

    enabled: bool = False
    """Whether this node speaks with others. Needs the extra: pip install 'zg-node[p2p]'."""
    listen: Annotated[str, Field(pattern=r"^/ip[46]/[0-9a-fA-F.:]+/tcp/[0-9]{1,5}$")] = "/ip4/0.0.0.0/tcp/26656"
    """Where to listen, as a multiaddress; port 0 takes a free one."""
    bootstrap: tuple[Annotated[str, Field(pattern=r"^/.+/p2p/[1-9A-HJ-NP-Za-km-z]+$")], ...] = ()
    """Nodes to connect to first and to stay connected to: multiaddresses that end in /p2p/<peer id>."""
    fast_path: bool = True
    """Our own hot path below libp2p's wire protocol; off runs the library as it is."""
    dht: bool = True
    """Find more nodes through the Kademlia table."""
    mdns: bool = False
    """Find nodes in the local network."""
    snapshot: bool = True
    """Begin with a recent state of other nodes, where there is one, instead of replaying history."""


class DaSettings(Section):
    """Data availability: storing blobs, and keeping rows of other nodes' blobs. Keeping them is a validator's, or a
    registered holder's."""

    enabled: bool = True
    """Whether to take part. A holder that does not earns nothing, and loses deposit when it is challenged."""
    capacity_mb: Positive = 100_000
    """Most that the rows kept here may take on disk, in MiB; when it is full, no more are signed for."""
    threads: Workers = 1
    """Threads that encode, or verify, one blob."""
    workers: Workers = 2
    """Threads that read, write and verify rows for other nodes."""
    put_from_anywhere: bool = False
    """Whether callers that are not on this machine may store blobs, for which this node's account pays."""


class GatewaySettings(Section):
    """Data availability for clients of other networks, which know no `zg_da*`. Whoever can connect stores blobs, and
    this node's account pays for them. Needs da.enabled."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address that all of them listen on."""
    allowed_hosts: tuple[str, ...] = ("localhost",)
    """Names that the Host header may carry beside IP addresses, over HTTP; "*" allows all."""
    disperser: bool = False
    """0G's disperser over gRPC. Needs the extra: pip install 'zg-node[gateway]'."""
    disperser_port: Port = 51001
    """Port to listen on; 0 takes any free one."""
    altda: bool = False
    """The OP Stack's alt-DA server over HTTP, with the EigenDA proxy's standard mode."""
    altda_port: Port = 3100
    """Port to listen on; 0 takes any free one."""
    celestia: bool = False
    """Celestia's blob.* over JSON-RPC."""
    celestia_port: Port = 26658
    """Port to listen on; 0 takes any free one."""
    quorum: Annotated[int, Field(ge=0, lt=SHARDS_MAX)] = 0
    """The quorum that blobs are stored with: a shard's index."""
    epochs: Positive = 10
    """How many epochs blobs are paid for, the running one included."""
    blob_max_mb: Annotated[int, Field(ge=1, le=128)] = 32
    """Largest blob, in MiB; several are held in memory at one time."""

    @property
    def any(self) -> bool:
        """Whether one is switched on."""
        return self.disperser or self.altda or self.celestia


class Settings(Section):
    """The whole file."""

    network: NetworkSettings = NetworkSettings()
    node: NodeSettings = NodeSettings()
    rpc: RpcSettings = RpcSettings()
    metrics: MetricsSettings = MetricsSettings()
    mempool: MempoolSettings = MempoolSettings()
    state: StateSettings = StateSettings()
    engine: EngineSettings = EngineSettings()
    consensus: ConsensusSettings = ConsensusSettings()
    p2p: P2pSettings = P2pSettings()
    da: DaSettings = DaSettings()
    gateway: GatewaySettings = GatewaySettings()


def load(path: Path) -> Settings:
    """Read a configuration file; what it leaves out has its default. Raises InvalidConfig."""
    try:
        if path.stat().st_size > CONFIG_MAX_BYTES:
            raise InvalidConfig(f"{path} is larger than {CONFIG_MAX_BYTES} bytes: is it a configuration file?")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InvalidConfig(f"{path} does not exist: write one with `zg-node config default > {path}`") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig(f"{path} cannot be read: {error}") from error
    return parse(text, str(path))


def parse(text: str, source: str) -> Settings:
    """Settings from TOML; `source` is what an error calls it. Raises InvalidConfig."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidConfig(f"{source} is not TOML: {error}") from error
    return _validate(document, source)


def override(settings: Settings, changes: Mapping[str, object]) -> Settings:
    """`settings` with some keys replaced, named as `section.key`; what a command line says over the file.

    Raises InvalidConfig.
    """
    document = settings.model_dump()
    for name, value in changes.items():
        section, _, key = name.partition(".")
        document[section][key] = value
    return _validate(document, "the command line")


def render(settings: Settings) -> str:
    """The configuration file that gives `settings`, with every field's docstring as a comment."""
    return "\n".join(_lines(settings)) + "\n"


def _validate(document: dict[str, Any], source: str) -> Settings:
    try:
        return Settings.model_validate(_tuples(document))
    except ValidationError as error:
        raise InvalidConfig(f"{source}: {_sentence(error)}") from error


def _tuples(value: Any) -> Any:
    """TOML's arrays as tuples, which is what strict validation wants."""
    match value:
        case dict():
            return {key: _tuples(item) for key, item in value.items()}
        case list():
            return tuple(_tuples(item) for item in value)
        case _:
            return value


def _sentence(error: ValidationError) -> str:
    """The first fault as one sentence; an unknown key is the likeliest, so it comes first and names its neighbour."""
    faults = sorted(error.errors(include_url=False), key=lambda fault: fault["type"] != "extra_forbidden")
    fault = faults[0]
    name = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        nearest = _nearest(name)
        return f"unknown key {name!r}" + (
            f"; did you mean {nearest!r}?" if nearest else "; see `zg-node config default`"
        )
    if fault["type"] == "string_pattern_mismatch" and fault["loc"][:2] == ("p2p", "bootstrap"):
        return f"p2p.bootstrap has {fault['input']!r}: an address looks like /ip4/203.0.113.7/tcp/26656/p2p/12D3KooW…"
    if fault["type"] == "model_type":
        return f"{name} is {fault['input']!r}: it should be a table, [{name}]"
    message = fault["msg"][:1].lower() + fault["msg"][1:]
    return f"{name} is {fault['input']!r}: {message}"


def _nearest(name: str) -> str | None:
    """The known key that `name` most resembles: in its own section if one is near, else in any."""
    known = [key for key, _ in _fields()]
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if found:
        return found[0]
    leaf = name.rpartition(".")[2]
    by_leaf = {key.rpartition(".")[2]: key for key in reversed(known)}
    found = difflib.get_close_matches(leaf, by_leaf, n=1, cutoff=0.6)
    return by_leaf[found[0]] if found else None


def _fields() -> Iterator[tuple[str, str]]:
    """Every key that may be in the file, with its documentation: sections as `section`, fields as `section.key`."""
    for section_name, section in Settings.model_fields.items():
        kind = section.annotation
        assert isinstance(kind, type)
        assert issubclass(kind, Section)
        yield section_name, kind.__doc__ or ""
        for key, field in kind.model_fields.items():
            yield f"{section_name}.{key}", field.description or ""


def _lines(settings: Settings) -> Iterator[str]:
    document = settings.model_dump()
    yield "# zg-node's configuration. What a file leaves out has the default that `zg-node config default` shows."
    for name, documentation in _fields():
        section, _, key = name.partition(".")
        if not key:
            yield ""
            yield from _comment(documentation)
            yield f"[{section}]"
            continue
        yield from _comment(documentation)
        yield f"{key} = {_toml(document[section][key])}"


def _comment(documentation: str) -> Iterator[str]:
    for line in documentation.strip().splitlines():
        yield f"# {line.strip()}"


def _toml(value: object) -> str:
    """A scalar, or an array of strings, in TOML."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return f"{value:_}" if value >= 10_000 else str(value)
        case str():
            # A JSON string is a TOML basic string, but for DEL, which only TOML wants escaped.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
        case tuple():
            return "[" + ", ".join(_toml(item) for item in value) + "]"
        case _:
            raise AssertionError(f"no TOML for {type(value).__name__}")
