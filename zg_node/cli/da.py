"""`zg-node da`: store blobs, read them, see who keeps them, and check as a light client that they are there."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from zg_node.cli import da_holder
from zg_node.cli import home as homes
from zg_node.cli.client import RpcClient
from zg_node.cli.options import HomePath, client, json_option, rpc_options
from zg_node.cli.output import show
from zg_node.cli.values import Hex
from zg_node.config import load
from zg_node.errors import InvalidConfig, InvalidMessage, InvalidRequest, Unavailable

if TYPE_CHECKING:
    from zg_node.execution.genesis import Genesis
    from zg_node.lightclient import Prover
    from zg_node.sampler import Claim
    from zg_node.stateproof import WordsRequest

PIECE_BYTES: Final = 2 << 20
"""As `rpc.methods.da` takes and gives them."""
POLL_S: Final = 0.1
READ_TIMEOUT_S: Final = 600
"""A node reads a whole blob before it answers."""
BLOB_MAX_BYTES: Final = 128 << 20
EPOCHS_MAX: Final = (1 << 32) - 1


@click.group()
def da() -> None:
    """Store blobs with the network's holders, read them back, and check that they are there; be a holder."""


for _command in da_holder.COMMANDS:
    da.add_command(_command)


@da.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--epochs", type=click.IntRange(1, EPOCHS_MAX), default=10, show_default=True, help="How long it is paid for."
)
@rpc_options
@json_option
def put(file: Path, epochs: int, rpc: str, shard: int, as_json: bool) -> None:
    """Store FILE, or with - standard input, and print its commitment once its certificate is final.

    The node pays from its own account. --shard says whose quorum the blob is for.
    """
    blob = _blob_of(file)
    node = client(rpc, shard)
    started = time.monotonic()
    with click.progressbar(length=len(blob), label="upload", file=sys.stderr, hidden=_quiet(as_json)) as bar:
        upload = node.quantity("zg_daUpload", len(blob))
        for offset in range(0, len(blob), PIECE_BYTES):
            piece = blob[offset : offset + PIECE_BYTES]
            node.bring(upload, offset, piece)
            bar.update(len(piece))
    job = node.quantity("zg_daStore", upload, {"epochs": epochs, "quorum": shard})
    with _understood(node):
        stored = _blob(_await_put(node, job, as_json))
    show({**stored, "seconds": round(time.monotonic() - started, 3)}, as_json)


@da.command()
@click.argument("commitment", type=Hex(32))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write here. [default: standard output]")
@rpc_options
@json_option
def get(commitment: bytes, out: Path | None, rpc: str, shard: int, as_json: bool) -> None:
    """Read the blob with this COMMITMENT, and verify it.

    With --json, what reading it took is printed, and the blob goes to --out. Nothing is written before all of it is
    there.
    """
    if out is None and (as_json or sys.stdout.isatty()):
        raise click.UsageError("say where the blob goes: --out FILE")
    node = client(rpc, shard, READ_TIMEOUT_S)
    with _understood(node):
        first = node.call("zg_daGet", "0x" + commitment.hex(), 0, PIECE_BYTES)
        liars = {str(liar["signer"]): str(liar["reason"]) for liar in first["liars"]}
        received_bytes = int(first["received"], 16)
        blob = _download(node, commitment, first, as_json)
    if _commitment(blob) != commitment:
        raise Unavailable(f"{node.url} answered another blob than 0x{commitment.hex()}; nothing was written")
    if out is not None:
        out.write_bytes(blob)
    else:
        sys.stdout.buffer.write(blob)
    for signer, reason in liars.items():
        click.echo(f"holder {signer} lied: {reason}", err=True)
    if out is not None:
        record = {"file": str(out), "length": len(blob), "received_bytes": received_bytes, "liars": list(liars)}
        show(record, as_json)


@da.command()
@click.argument("commitment", type=Hex(32))
@rpc_options
@json_option
def status(commitment: bytes, rpc: str, shard: int, as_json: bool) -> None:
    """Show the certificate of the blob with this COMMITMENT."""
    node = client(rpc, shard)
    found = node.call("zg_daStatus", "0x" + commitment.hex())
    if found is None:
        raise InvalidRequest(f"no blob 0x{commitment.hex()} is certified")
    with _understood(node):
        record = {
            **_blob(found),
            "signers": len(found["signers"]),
            "certified_in_block": int(found["block"], 16),
            "current_epoch": int(found["currentEpoch"], 16),
            "expired": bool(found["expired"]),
            "rows_kept_here": int(found["rowsHere"], 16),
        }
    show(record, as_json)


@da.command()
@click.option("--epoch", type=click.IntRange(0, EPOCHS_MAX), help="[default: this one]")
@rpc_options
@json_option
def holders(epoch: int | None, rpc: str, shard: int, as_json: bool) -> None:
    """List who keeps rows in an epoch."""
    node = client(rpc, shard)
    found = node.call("zg_daHolders", *([] if epoch is None else [epoch]))
    with _understood(node):
        record = {
            "epoch": int(found["epoch"], 16),
            "total_stake": int(found["totalStake"], 16),
            "quorum_stake": int(found["quorumStake"], 16),
            "holders": [
                {
                    "signer": str(holder["signer"]),
                    "stake": int(holder["stake"], 16),
                    "reachable": bool(holder["reachable"]),
                    "peer": str(holder["peer"]) or None,
                }
                for holder in found["holders"]
            ],
        }
    show(record, as_json)


@da.command()
@click.argument("commitment", type=Hex(32))
@click.option(
    "--genesis", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The network's chain file."
)
@click.option("--home", type=HomePath(), help="A data directory that has it, and the nodes to connect to.")
@click.option("--bootstrap", multiple=True, metavar="ADDRESS", help="A node: /ip4/…/tcp/…/p2p/<peer id>; repeatable.")
@click.option(
    "--rpc", metavar="URL", help="Take storage proofs from here instead of from the nodes; they are verified."
)
@click.option("--samples", type=click.IntRange(1, 256), default=20, show_default=True, help="Random cells to ask for.")
@json_option
def sample(
    commitment: bytes,
    genesis: Path | None,
    home: Path | None,
    bootstrap: tuple[str, ...],
    rpc: str | None,
    samples: int,
    as_json: bool,
) -> None:
    """Check as a light client that the blob with this COMMITMENT is there.

    It follows the certified epochs from the chain file, proves with the chain's state that the blob is certified, and
    asks its holders for private random cells. Nothing is believed without a proof. Exit code 1 when a cell is missing.
    """
    from zg_node import sampler  # the node's modules take a moment: not for `da --help`

    chain, nodes = _network(genesis, home, bootstrap)
    started = time.monotonic()
    prover = _prover(RpcClient(rpc)) if rpc is not None else None
    with tempfile.TemporaryDirectory() as directory:
        found = asyncio.run(sampler.claim(chain, nodes, Path(directory), commitment, samples, prover))
    _report(found, round(time.monotonic() - started, 3), as_json)


def _network(genesis: Path | None, home: Path | None, bootstrap: tuple[str, ...]) -> tuple[Genesis, tuple[str, ...]]:
    """The chain, and nodes of its network."""
    from zg_node.assembly import load_genesis
    from zg_node.execution import genesis as genesis_file

    chain = genesis_file.load(genesis) if genesis is not None else None
    if home is not None:
        settings = load(home / homes.CONFIG)
        chain = chain or load_genesis(settings, home)
        bootstrap = (*bootstrap, *settings.p2p.bootstrap)
    if chain is None or not bootstrap:
        raise click.UsageError("say which network: --genesis FILE and --bootstrap ADDRESS, or --home DIRECTORY")
    return chain, bootstrap


def _report(found: Claim, seconds: float, as_json: bool) -> None:
    """Say what was found; exit code 1 when a cell is missing."""
    sampled, header = found.sampled, found.words.header
    probability = sampled.miss_probability
    record = {
        "commitment": "0x" + found.blob.commitment.hex(),
        "available": sampled.available,
        "certified_at_block": header.number,
        "block_hash": "0x" + header.hash.hex(),
        "length": found.blob.length,
        "expires_after_epoch": found.blob.expiry,
        "samples": sampled.asked,
        "missing": len(sampled.missing),
        "miss_probability": (probability if as_json else f"{probability:.2g}") if sampled.available else None,
        "liars": ["0x" + signer.hex() for signer in sampled.liars],
        "holders_out_of_reach": sampled.unreachable,
        "received_bytes": found.received_bytes,
        "sent_bytes": found.sent_bytes,
        "seconds": seconds,
    }
    show(record, as_json)
    if not as_json and not sampled.available and not sampled.liars:
        click.echo(
            "Not all cells came, so it is not shown that the blob can be read; neither is that it cannot: "
            "holders may be out of reach."
        )
    if not sampled.available:
        click.get_current_context().exit(1)
    if not as_json:
        click.echo(
            f"If too few cells were there to read the blob, all {sampled.asked} would have been shown with a "
            f"probability of at most {probability:.2g}."
        )


def _blob_of(file: Path) -> bytes:
    """What a file holds, or standard input. Raises InvalidConfig for what is no blob."""
    with click.open_file(str(file), "rb") as source:
        blob: bytes = source.read(BLOB_MAX_BYTES + 1)
    if not 0 < len(blob) <= BLOB_MAX_BYTES:
        found = "no bytes" if not blob else f"more than {BLOB_MAX_BYTES} bytes"
        raise InvalidConfig(f"{file} has {found}: a blob has 1 to {BLOB_MAX_BYTES}")
    return blob


def _download(node: RpcClient, commitment: bytes, answer: dict[str, Any], as_json: bool) -> bytearray:
    """All of a blob, whose first piece was answered. Raises Unavailable when it has another length than was said."""
    size, blob = int(answer["length"], 16), bytearray()
    if not 0 < size <= BLOB_MAX_BYTES:
        raise Unavailable(f"{node.url} answered a blob of {size} bytes")
    with click.progressbar(length=size, label="download", file=sys.stderr, hidden=_quiet(as_json)) as bar:
        while piece := bytes.fromhex(answer["data"][2:]):
            blob += piece
            bar.update(len(piece))
            if len(blob) >= size:
                break
            answer = node.call("zg_daGet", "0x" + commitment.hex(), len(blob), PIECE_BYTES)
    if len(blob) != size:
        raise Unavailable(f"{node.url} answered {len(blob)} bytes of a blob of {size}")
    return blob


def _commitment(blob: bytes | bytearray) -> bytes:
    from zg_node._core import Encoding  # the other commands do without the core
    from zg_node.da.messages import commitment_of

    return commitment_of(Encoding(bytes(blob)).header())


def _await_put(node: RpcClient, job: int, as_json: bool) -> dict[str, Any]:
    """The certificate, once it is final. Raises Unavailable with why there is none."""
    with click.progressbar(length=100, label="store", file=sys.stderr, hidden=_quiet(as_json)) as bar:
        while True:
            progress = node.call("zg_daProgress", job)
            if progress["failure"] is not None:
                raise Unavailable(str(progress["failure"]))
            if progress["certificate"] is not None:
                bar.update(100 - bar.pos)
                return dict(progress["certificate"])
            bar.label = f"store: {progress['stage']}"
            bar.update(max(0, _percent(progress) - bar.pos))
            time.sleep(POLL_S)


def _percent(progress: dict[str, Any]) -> int:
    """How far a put is: a share for each stage, and within the offers the stake that has signed."""
    begun = {"waiting": 0, "encoding": 5, "paying": 15, "offering": 30, "certifying": 85, "done": 100}
    percent = begun.get(str(progress["stage"]), 0)
    quorum = int(progress["quorumStake"], 16)
    if progress["stage"] == "offering" and quorum:
        percent += min(50, 50 * int(progress["signedStake"], 16) // quorum)
    return percent


def _blob(certificate: dict[str, Any]) -> dict[str, object]:
    return {
        "commitment": str(certificate["commitment"]),
        "id": str(certificate["id"]),
        "length": int(certificate["length"], 16),
        "quorum": int(certificate["quorum"], 16),
        "epoch": int(certificate["epoch"], 16),
        "expires_after_epoch": int(certificate["expiry"], 16),
    }


def _prover(node: RpcClient) -> Prover:
    """Storage proofs from any JSON-RPC endpoint."""

    def ask(number: int, address: bytes, slots: Sequence[int]) -> tuple[list[bytes], list[list[bytes]]]:
        keys = [f"0x{slot:064x}" for slot in slots]
        try:
            answer = node.call("eth_getProof", "0x" + address.hex(), keys, hex(number))
            return _nodes(answer["accountProof"]), [_nodes(entry["proof"]) for entry in answer["storageProof"]]
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidMessage(f"{node.url} answered eth_getProof with something else") from error
        except InvalidRequest as error:
            raise Unavailable(f"{node.url}: {error}") from error

    def prove(number: int, request: WordsRequest) -> Awaitable[tuple[list[bytes], list[list[bytes]]]]:
        return asyncio.to_thread(ask, number, request.address, request.slots)

    return prove


def _nodes(texts: Sequence[str]) -> list[bytes]:
    return [bytes.fromhex(text.removeprefix("0x")) for text in texts]


@contextmanager
def _understood(node: RpcClient) -> Iterator[None]:
    """Answers are read within. Raises Unavailable where one is not what a zg_node answers."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable(f"{node.url} answered something else than a zg_node: is that the node's port?") from error


def _quiet(as_json: bool) -> bool:
    return as_json or not sys.stderr.isatty()
