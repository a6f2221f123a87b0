"""Answers that parse and are false: another block's body, flipped bits, a false state, validators of its own."""

from __future__ import annotations

from dataclasses import replace

from tests.sim.liars.liar import Liar
from zg_node.consensus.light import EpochProof
from zg_node.consensus.sync_messages import (
    BlocksRequest,
    EpochsRequest,
    Manifest,
    Range,
    Request,
    SnapshotRequest,
    Status,
    StatusRequest,
    decode_epochs,
    encode_epochs,
)
from zg_node.consensus.votes import Validator

FORGED_COINS = 10**6


class Wrong(Liar):
    def bend(self, request: Request, truth: bytes) -> bytes:
        match request:
            case StatusRequest():
                return self._status(truth)
            case BlocksRequest():
                return self._range(truth)
            case EpochsRequest():
                return self._epochs(truth)
            case SnapshotRequest():
                found = Manifest.decode(truth)
                return replace(found, chunks=tuple(self.rng.randbytes(32) for _ in found.chunks)).encode()
            case _:
                return self._flipped(truth)

    def _status(self, truth: bytes) -> bytes:
        """A little ahead of where it is."""
        status = Status.decode(truth)
        rows = (replace(row, number=row.number + self.rng.randint(1, 500)) for row in status.shards)
        return replace(status, shards=tuple(rows)).encode()

    def _range(self, truth: bytes) -> bytes:
        found = Range.decode(truth)
        bodies = [self._flipped(body) if self.rng.random() < 0.5 else body for body in found.bodies]
        if self.rng.random() < 0.5:
            self.rng.shuffle(bodies)
        size = len(bodies[0]) if bodies else found.body_size
        signatures = found.certificate.signatures
        if self.rng.random() < 0.3:
            signatures = tuple((voter, self.rng.randbytes(65)) for voter, _ in signatures)
        certificate = replace(found.certificate, signatures=signatures)
        return replace(found, bodies=tuple(bodies), body_size=size, certificate=certificate).encode()

    def _epochs(self, truth: bytes) -> bytes:
        proofs = decode_epochs(truth)
        return encode_epochs([self._usurped(proof).encode() for proof in proofs])

    def _usurped(self, proof: EpochProof) -> EpochProof:
        """The next epoch is its own."""
        return replace(proof, members=(Validator(self.rng.randbytes(20), FORGED_COINS),))

    def _flipped(self, data: bytes) -> bytes:
        if not data:
            return data
        bent = bytearray(data)
        bent[self.rng.randrange(len(bent))] ^= 1 << self.rng.randrange(8)
        return bytes(bent)
