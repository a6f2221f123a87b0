"""zg_da*: storing blobs, reading them, and who keeps them.

    up to PIECE_MAX_BYTES   zg_daPut(data)                                                    → the certificate
    larger                  zg_daUpload(length) → upload, POST <path>/da/<upload>/<offset> …,
                            zg_daStore(upload) → put, zg_daProgress(put) …                    → the certificate
    the same in JSON        zg_daPiece(upload, offset, data), where a piece is posted otherwise
    reading                 zg_daGet(commitment, offset, length), piece by piece

Whoever stores a blob spends the node's coins, so the methods that do are for callers on this machine unless
`da.put_from_anywhere` says otherwise.
"""

from __future__ import annotations

from typing import Final

from zg_node import _core
from zg_node.da.client import PutProgress, Retrieved
from zg_node.da.ledger import Certified
from zg_node.da.service import DataAvailability
from zg_node.da.uploads import Uploads
from zg_node.errors import InvalidRequest, Unavailable, ZgError
from zg_node.rpc.api import Context, Method, Result
from zg_node.rpc.encoding import NULL, document, failure, hex_text, quantity, success
from zg_node.rpc.errors import error_of
from zg_node.rpc.params import Arguments

PIECE_MAX_BYTES: Final = 2 << 20
"""In one message, in either direction: hexadecimal doubles it, and bodies are bounded."""
EPOCHS_DEFAULT: Final = 10


def put(context: Context, arguments: Arguments) -> Result:
    """(data, options?): store a small blob and wait for its certificate. Options: epochs, quorum."""
    service, data = _paying(context), arguments.data(0)
    quorum, epochs = _options(context, arguments)
    return _put(service, data, quorum, epochs)


async def _put(service: DataAvailability, data: bytes, quorum: int, epochs: int) -> bytes:
    return document(_certificate(service, await service.put(data, quorum, epochs)))


def upload(context: Context, arguments: Arguments) -> bytes:
    """(length): begin to bring a blob; answers the upload's number."""
    return quantity(_paying(context).uploads.begin(arguments.count(0)))


def piece(context: Context, arguments: Arguments) -> bytes:
    """(upload, offset, data): the next piece; answers how many bytes are there."""
    uploads, data = _paying(context).uploads, arguments.data(2)
    return _add(uploads, arguments.count(0), arguments.count(1), data)


def take_piece(context: Context, upload: int, offset: int, data: bytes) -> bytes:
    """The response to a piece that was posted as it is: like zg_daPiece's."""
    try:
        context.check_started()
        return success(NULL, _add(_paying(context).uploads, upload, offset, data))
    except ZgError as error:
        return failure(NULL, error_of(error, "zg_daPiece"))


def _add(uploads: Uploads, upload: int, offset: int, data: bytes) -> bytes:
    if len(data) > PIECE_MAX_BYTES:
        raise InvalidRequest(f"a piece of {len(data)} bytes: at most {PIECE_MAX_BYTES} fit")
    return quantity(uploads.add(upload, offset, data))


def store(context: Context, arguments: Arguments) -> Result:
    """(upload, options?): store what was brought; answers a number for zg_daProgress."""
    service = _paying(context)
    quorum, epochs = _options(context, arguments)
    service.check_queue()
    return quantity(service.begin_put(service.uploads.take(arguments.count(0)), quorum, epochs))


def progress(context: Context, arguments: Arguments) -> bytes:
    """(put): how far it is, and in the end the certificate or the failure."""
    service = _service(context)
    job = service.job(arguments.count(0))
    certified = job.certified
    return document(
        {
            **_progress(job.progress),
            "failure": job.failure,
            "certificate": _certificate(service, certified) if certified is not None else None,
        }
    )


def get(context: Context, arguments: Arguments) -> Result:
    """(commitment, offset?, length?): a piece of a blob, PIECE_MAX_BYTES at most, with what reading it took."""
    service, commitment = _service(context), arguments.hash(0)
    offset = arguments.count(1) if arguments.has(1) else 0
    length = arguments.count(2) if arguments.has(2) else PIECE_MAX_BYTES
    return _get(service, commitment, offset, min(length, PIECE_MAX_BYTES))


async def _get(service: DataAvailability, commitment: bytes, offset: int, length: int) -> bytes:
    found = await service.get(commitment)
    if offset > len(found.data):
        raise InvalidRequest(f"offset {offset} of a blob of {len(found.data)} bytes")
    return document(_retrieved(found, offset, length))


def status(context: Context, arguments: Arguments) -> Result:
    """(commitment): the certificate, and how much of the blob this node keeps; null when there is none."""
    return _status(_service(context), arguments.hash(0))


async def _status(service: DataAvailability, commitment: bytes) -> bytes:
    certified = await service.ledger.certified(commitment)
    if certified is None:
        return b"null"
    epoch = service.ledger.epoch()
    kept = [service.store.kept(blob) for blob in service.store.blobs_of(commitment)]
    rows = {row for entry in kept if entry is not None for row in entry.rows()}
    return document(
        {
            **_certificate(service, certified),
            "currentEpoch": hex(epoch),
            "expired": certified.blob.expiry < epoch,
            "rowsHere": hex(len(rows)),
        }
    )


def holders(context: Context, arguments: Arguments) -> Result:
    """(epoch?): who keeps rows in an epoch, this one unless said otherwise."""
    return _holders(_service(context), arguments.count(0) if arguments.has(0) else None)


async def _holders(service: DataAvailability, asked: int | None) -> bytes:
    epoch = service.ledger.epoch() if asked is None else asked
    found = await service.ledger.holders(epoch)
    return document(
        {
            "epoch": hex(epoch),
            "quorumStake": hex(found.quorum),
            "totalStake": hex(found.total),
            "holders": [
                {
                    "signer": hex_text(holder.signer),
                    "stake": hex(holder.stake),
                    "peer": holder.peer,
                    "reachable": service.lines.peer_of(holder) is not None,
                }
                for holder in found.holders
            ],
        }
    )


def _service(context: Context) -> DataAvailability:
    if context.node.da is None:
        raise Unavailable("data availability is switched off on this node: set da.enabled")
    return context.node.da


def _paying(context: Context) -> DataAvailability:
    service = _service(context)
    if not context.local and not context.node.da_from_anywhere:
        raise InvalidRequest("this node pays for blobs of callers on its own machine only: see da.put_from_anywhere")
    return service


def _options(context: Context, arguments: Arguments) -> tuple[int, int]:
    """(quorum, epochs) of argument 1: the shard of this path, and EPOCHS_DEFAULT, unless they are given."""
    chosen = arguments.fields(1, "zg.DaOptions") if arguments.has(1) else {}
    unknown = chosen.keys() - {"quorum", "epochs"}
    if unknown:
        raise InvalidRequest(f"unknown option {min(unknown)!r}: there are quorum and epochs")
    given = Arguments([chosen.get("quorum"), chosen.get("epochs")])
    quorum = given.count(0) if given.has(0) else context.shard.chain.shard
    epochs = given.count(1) if given.has(1) else EPOCHS_DEFAULT
    if not 0 <= quorum < 1 << 32 or not 0 < epochs < 1 << 32:
        raise InvalidRequest("quorum is a shard's index, and epochs at least 1")
    return quorum, epochs


def _progress(of: PutProgress) -> dict[str, object]:
    return {
        "stage": of.stage.value,
        "length": hex(of.length),
        "commitment": hex_text(of.commitment) if of.commitment is not None else None,
        "signedStake": hex(of.stake),
        "quorumStake": hex(of.quorum),
    }


def _certificate(service: DataAvailability, certified: Certified) -> dict[str, object]:
    blob = certified.blob
    k, n, row_bytes = _core.erasure_shape(blob.length)
    return {
        "id": hex_text(blob.id(service.ledger.network)),
        "commitment": hex_text(blob.commitment),
        "length": hex(blob.length),
        "quorum": hex(blob.quorum),
        "epoch": hex(blob.epoch),
        "expiry": hex(blob.expiry),
        "block": hex(certified.block),
        "signers": [hex(index) for index in certified.signers],
        "dataRows": hex(k),
        "parityRows": hex(n),
        "rowBytes": hex(row_bytes),
    }


def _retrieved(found: Retrieved, offset: int, length: int) -> dict[str, object]:
    return {
        "length": hex(len(found.data)),
        "offset": hex(offset),
        "data": hex_text(found.data[offset : offset + length]),
        "received": hex(found.received_bytes),
        "liars": [{"signer": hex_text(liar.signer), "peer": liar.peer, "reason": liar.reason} for liar in found.liars],
    }


METHODS = {
    "zg_daPut": Method(put, 2),
    "zg_daUpload": Method(upload, 1),
    "zg_daPiece": Method(piece, 3),
    "zg_daStore": Method(store, 2),
    "zg_daProgress": Method(progress, 1),
    "zg_daGet": Method(get, 3),
    "zg_daStatus": Method(status, 1),
    "zg_daHolders": Method(holders, 1),
}
