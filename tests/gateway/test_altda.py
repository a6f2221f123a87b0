"""The OP Stack's alt-DA server and the EigenDA proxy's standard mode, over HTTP."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.gateway.lone import EPOCHS, Lone, listen
from tests.gateway.web import ask
from zg_node.gateway.keccak import KeccakIndex
from zg_node.types.hashing import keccak

BLOB = Random(5).randbytes(70_000)
ABSENT = "0x0147" + "00" * 47 + "01"


@pytest.mark.parametrize("target", ["/put", "/put/", "/put?commitment_mode=optimism_generic"])
def test_a_generic_commitment_gives_the_blob_back(tmp_path: Path, target: str) -> None:
    async def test(lone: Lone, port: int) -> None:
        status, commitment = await ask(port, "POST", target, BLOB, {"content-type": "application/octet-stream"})
        blob = lone.ledger.certificates[0].blob
        expected = b"\x01\x47" + blob.epoch.to_bytes(8, "little") + blob.quorum.to_bytes(8, "little") + blob.commitment
        assert (status, commitment) == (200, expected)
        assert await ask(port, "GET", f"/get/0x{commitment.hex()}") == (200, BLOB)

    listen(tmp_path, "altda", test)


def test_a_standard_commitment_gives_the_blob_back(tmp_path: Path) -> None:
    async def test(lone: Lone, port: int) -> None:
        status, commitment = await ask(port, "POST", "/put?commitment_mode=standard", BLOB)
        assert (status, commitment[0], len(commitment)) == (200, 0, 49)
        assert await ask(port, "GET", f"/get/0x{commitment.hex()}?commitment_mode=standard") == (200, BLOB)

    listen(tmp_path, "altda", test)


def test_a_keccak_commitment_gives_the_blob_back_also_after_a_restart(tmp_path: Path) -> None:
    commitment = "0x00" + keccak(BLOB).hex()

    async def test(lone: Lone, port: int) -> None:
        assert await ask(port, "GET", f"/get/{commitment}") == (404, b"no blob with keccak " + commitment_text())
        status, _ = await ask(port, "POST", f"/put/{commitment}", BLOB)
        assert status == 200
        assert await ask(port, "GET", f"/get/{commitment}") == (200, BLOB)

    def commitment_text() -> bytes:
        return f"0x{keccak(BLOB).hex()} was stored here".encode()

    listen(tmp_path, "altda", test)
    index = KeccakIndex(tmp_path / "gateway" / "keccak")
    assert index.find(keccak(BLOB)) is not None
    index.close()


def test_a_blob_with_another_keccak_is_refused_before_it_costs_anything(tmp_path: Path) -> None:
    async def test(lone: Lone, port: int) -> None:
        status, _ = await ask(port, "POST", "/put/0x00" + keccak(b"another").hex(), BLOB)
        assert (status, lone.ledger.payments) == (400, 0)

    listen(tmp_path, "altda", test)


def test_a_blob_is_paid_for_once_however_often_it_is_put(tmp_path: Path) -> None:
    async def test(lone: Lone, port: int) -> None:
        first = await ask(port, "POST", "/put", BLOB)
        assert await ask(port, "POST", "/put", BLOB) == first
        assert lone.ledger.payments == 1

    listen(tmp_path, "altda", test)


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("GET", "/health", b"", 200),
        ("GET", "/", b"", 404),
        ("GET", f"/get/{ABSENT}", b"", 404),
        ("GET", "/get", b"", 400),
        ("GET", f"/get/{ABSENT}/{ABSENT}", b"", 400),
        ("POST", f"/put/{ABSENT}/{ABSENT}", b"blob", 400),
        ("GET", "/get/0xzz", b"", 400),
        ("GET", "/get/0x", b"", 400),
        ("GET", "/get/0x01" + "00" * 49, b"", 400),
        ("GET", f"/get/{ABSENT}?commitment_mode=other", b"", 400),
        ("GET", f"/get/{ABSENT}?" + "a=1&" * 20, b"", 400),
        ("GET", "/put", b"", 405),
        ("POST", f"/get/{ABSENT}", b"", 405),
        ("POST", "/put", b"", 400),
        ("POST", f"/put/{ABSENT}", b"blob", 400),
        ("POST", "/put", bytes((1 << 20) + 1), 413),
    ],
)
def test_a_request_is_answered_with_its_status(
    tmp_path: Path, method: str, target: str, body: bytes, status: int
) -> None:
    async def test(lone: Lone, port: int) -> None:
        assert (await ask(port, method, target, body))[0] == status

    listen(tmp_path, "altda", test)


def test_a_blob_that_has_expired_is_not_found(tmp_path: Path) -> None:
    async def test(lone: Lone, port: int) -> None:
        _, commitment = await ask(port, "POST", "/put", BLOB)
        for epoch, status in ((EPOCHS - 1, 200), (EPOCHS, 404)):
            lone.ledger.now = epoch
            assert (await ask(port, "GET", f"/get/0x{commitment.hex()}"))[0] == status

    listen(tmp_path, "altda", test)


@pytest.mark.parametrize("mode", ["optimism", "standard"])
def test_a_commitment_with_another_epoch_or_quorum_is_not_found(tmp_path: Path, mode: str) -> None:
    async def test(lone: Lone, port: int) -> None:
        _, commitment = await ask(port, "POST", f"/put?commitment_mode={mode}", BLOB)
        for place, status in ((None, 200), (-48, 404), (-40, 404)):
            changed = bytearray(commitment)
            if place is not None:
                changed[place] ^= 1
            answered, body = await ask(port, "GET", f"/get/0x{changed.hex()}?commitment_mode={mode}")
            assert answered == status, place
            assert place is None or b"is not certified for epoch" in body

    listen(tmp_path, "altda", test)


def test_what_cannot_be_stored_now_may_be_tried_again(tmp_path: Path) -> None:
    async def test(lone: Lone, port: int) -> None:
        lone.ledger.sets.clear()
        status, reason = await ask(port, "POST", "/put", BLOB)
        assert status == 503
        assert b"not known" in reason

    listen(tmp_path, "altda", test)
