"""Celestia's blob.* over JSON-RPC: submissions, reads by height, and proofs that show what they say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from tests.gateway.lone import Lone, listen, run
from tests.gateway.web import ask
from zg_node.gateway.celestia import METHOD_NOT_FOUND, VALUES_MAX
from zg_node.gateway.celestia_blob import CelestiaBlob, of_base64, to_base64

ONE, TWO = bytes(19) + b"rollup-one", bytes(19) + b"rollup-two"
FIRST, SECOND, OTHER = (Random(seed).randbytes(3_000) for seed in range(3))

Call = Callable[..., Awaitable[Any]]


class Failure(Exception):
    """A JSON-RPC error; `code`, message."""


def serve(home: Path, test: Callable[[Lone, Call], Awaitable[None]]) -> None:
    """Run a test against the listener of a lone node."""

    async def main(lone: Lone, port: int) -> None:
        async def call(method: str, *parameters: object) -> Any:
            body = orjson.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": parameters})
            status, answer = await ask(port, "POST", "/", body)
            document = orjson.loads(answer)
            assert (status, document["id"]) == (200, 7)
            if "error" in document:
                raise Failure(document["error"]["code"], document["error"]["message"])
            return document["result"]

        await test(lone, call)

    listen(home, "celestia", main)


def blob(namespace: bytes, data: bytes) -> dict[str, object]:
    """As a client submits it."""
    made = CelestiaBlob(namespace, data)
    return made.to_json(made.commitment(), -1)


def commitment(namespace: bytes, data: bytes) -> str:
    return to_base64(CelestiaBlob(namespace, data).commitment())


async def three(call: Call) -> int:
    """The height of two blobs under ONE and one under TWO."""
    height = await call("blob.Submit", [blob(ONE, FIRST), blob(TWO, OTHER), blob(ONE, SECOND)], {"gas_price": 0.1})
    assert type(height) is int
    return height


def test_a_submission_is_read_by_namespace_in_its_order(tmp_path: Path) -> None:
    async def test(lone: Lone, call: Call) -> None:
        height = await three(call)
        assert height == lone.ledger.certificates[0].block
        found = await call("blob.GetAll", height, [to_base64(ONE)])
        assert [of_base64(one["data"], "data") for one in found] == [FIRST, SECOND]
        assert [one["commitment"] for one in found] == [commitment(ONE, FIRST), commitment(ONE, SECOND)]
        both = await call("blob.GetAll", height, [to_base64(TWO), to_base64(ONE)])
        assert [of_base64(one["data"], "data") for one in both] == [OTHER, FIRST, SECOND]
        assert await call("blob.GetAll", height, [to_base64(bytes(19) + b"another-12"[:10])]) == []

    serve(tmp_path, test)


def test_a_blob_is_read_by_its_commitment(tmp_path: Path) -> None:
    async def test(lone: Lone, call: Call) -> None:
        height = await three(call)
        found = await call("blob.Get", height, to_base64(ONE), commitment(ONE, SECOND))
        assert of_base64(found["data"], "data") == SECOND
        for namespace, data in ((TWO, SECOND), (ONE, OTHER)):
            with pytest.raises(Failure, match="blob: not found"):
                await call("blob.Get", height, to_base64(namespace), commitment(ONE, data))

    serve(tmp_path, test)


def test_a_blob_with_a_signer_keeps_it(tmp_path: Path) -> None:
    async def test(lone: Lone, call: Call) -> None:
        signed = CelestiaBlob(ONE, FIRST, 1, b"s" * 20)
        height = await call("blob.Submit", [signed.to_json(b"", -1)], {})
        found = await call("blob.Get", height, to_base64(ONE), to_base64(signed.commitment()))
        assert CelestiaBlob.of_json(found) == (signed, signed.commitment())

    serve(tmp_path, test)


def test_heights_keep_submissions_apart(tmp_path: Path) -> None:
    async def test(lone: Lone, call: Call) -> None:
        first = await call("blob.Submit", [blob(ONE, FIRST)], {})
        second = await call("blob.Submit", [blob(ONE, SECOND)], {})
        assert (first, second) == (1, 2)
        (found,) = await call("blob.GetAll", second, [to_base64(ONE)])
        assert of_base64(found["data"], "data") == SECOND

    serve(tmp_path, test)


def test_blobs_that_are_no_bundles_do_not_disturb_a_height(tmp_path: Path) -> None:
    async def test(lone: Lone, call: Call) -> None:
        certified = await lone.service.put(b"ZGB1 and then none", 0, 1)
        assert await call("blob.GetAll", certified.block, [to_base64(ONE)]) == []

    serve(tmp_path, test)


def test_a_proof_shows_its_blob_and_no_other(tmp_path: Path) -> None:
    async def test(lone: Lone, call: Call) -> None:
        height = await three(call)
        later = await call("blob.Submit", [blob(ONE, OTHER)], {})
        (part,) = proof = await call("blob.GetProof", height, to_base64(ONE), commitment(ONE, SECOND))

        async def included(
            height: int = height, namespace: bytes = ONE, proof: object = proof, data: bytes = SECOND
        ) -> bool:
            answer = await call("blob.Included", height, to_base64(namespace), proof, commitment(ONE, data))
            assert type(answer) is bool
            return answer

        assert await included()
        assert await included(proof=part)
        assert not await included(data=FIRST)
        assert not await included(namespace=TWO)
        assert not await included(height=later)
        assert not await included(proof=[{**part, "start": part["start"] - 1}])
        assert not await included(proof=[{**part, "end": part["end"] + 1}])
        for field, value in (
            ("leaf_hash", to_base64(bytes(90))),
            ("leaf_hash", 5),
            ("is_max_namespace_ignored", False),
        ):
            assert not await included(proof=[{**part, field: value}]), field
        assert await included(proof={name: value for name, value in part.items() if name != "leaf_hash"})
        for place, node in enumerate(part["nodes"]):
            whole = of_base64(node, "node")
            assert whole[:58] == ONE + ONE  # a namespaced hash, to those who look
            for byte in (0, 28, 29, 57, 58, 59, 60, 63, 70, 89):
                changed = bytearray(whole)
                changed[byte] ^= 1
                nodes = [*part["nodes"][:place], to_base64(bytes(changed)), *part["nodes"][place + 1 :]]
                assert not await included(proof=[{**part, "nodes": nodes}]), (place, byte)
        for nodes in (part["nodes"][:-1], [*part["nodes"], part["nodes"][0]]):
            assert not await included(proof=[{**part, "nodes": nodes}])

    serve(tmp_path, test)


def ranged(*nodes: bytes) -> list[dict[str, object]]:
    """A range proof of namespaced hashes with these bytes in them."""
    nodes_in_json = [to_base64(ONE + ONE + node) for node in nodes]
    return [{"start": 0, "end": 1, "nodes": nodes_in_json, "is_max_namespace_ignored": True}]


@pytest.mark.parametrize(
    "proof",
    [
        None,
        [],
        [{}],
        [{}, {}],
        "proof",
        [{"start": 0, "end": 1, "nodes": "AA=="}],
        [{"start": 0, "end": 1, "nodes": [5]}],
        [{"start": True, "end": 1, "nodes": []}],
        ranged(),
        ranged(b"short"),
    ],
)
def test_what_is_no_proof_is_refused(tmp_path: Path, proof: object) -> None:
    async def test(lone: Lone, call: Call) -> None:
        height = await three(call)
        with pytest.raises(Failure, match="proof"):
            await call("blob.Included", height, to_base64(ONE), proof, commitment(ONE, FIRST))

    serve(tmp_path, test)


@pytest.mark.parametrize(
    "nodes",
    [
        (bytes(32),),
        (bytes(32), bytes(32), bytes(31) + b"\1"),
        (b"\xff" * 32,) * 3,
        (bytes(32),) * 4,
    ],
)
def test_nodes_that_do_not_fit_together_show_nothing(tmp_path: Path, nodes: tuple[bytes, ...]) -> None:
    async def test(lone: Lone, call: Call) -> None:
        height = await three(call)
        assert await call("blob.Included", height, to_base64(ONE), ranged(*nodes), commitment(ONE, FIRST)) is False

    serve(tmp_path, test)


def test_a_height_to_come_is_named_as_such(tmp_path: Path) -> None:
    async def test(lone: Lone, call: Call) -> None:
        with pytest.raises(Failure, match="given height is from the future"):
            await call("blob.GetAll", 1, [to_base64(ONE)])

    serve(tmp_path, test)


def test_a_commitment_that_is_not_the_blobs_is_refused_before_it_costs_anything(tmp_path: Path) -> None:
    async def test(lone: Lone, call: Call) -> None:
        with pytest.raises(Failure, match="not that of the blob's shares"):
            await call("blob.Submit", [{**blob(ONE, FIRST), "commitment": commitment(ONE, SECOND)}], {})
        assert lone.ledger.payments == 0

    serve(tmp_path, test)


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("blob.Submit", []),
        ("blob.Submit", [[]]),
        ("blob.Submit", [[None]]),
        ("blob.Get", ["1", to_base64(ONE), ""]),
        ("blob.Get", [1, to_base64(ONE), "AA=="]),
        ("blob.Get", [True, to_base64(ONE), commitment(ONE, FIRST)]),
        ("blob.GetAll", [-1, []]),
        ("blob.GetAll", [1, [to_base64(ONE)] * 65]),
        ("blob.GetAll", [1, [to_base64(bytes(29))]]),
    ],
)
def test_parameters_with_a_fault_are_refused(tmp_path: Path, method: str, parameters: list[object]) -> None:
    async def test(lone: Lone, call: Call) -> None:
        with pytest.raises(Failure) as failure:
            await call(method, *parameters)
        assert failure.value.args[0] == -32602

    serve(tmp_path, test)


def test_a_method_that_is_not_is_answered_with_those_that_are(tmp_path: Path) -> None:
    async def test(lone: Lone, call: Call) -> None:
        with pytest.raises(Failure, match="GetProof") as failure:
            await call("header.NetworkHead")
        assert failure.value.args[0] == METHOD_NOT_FOUND

    serve(tmp_path, test)


MANY = b'{"id":1,"method":"blob.GetAll","params":[0,[],' + b"{}," * VALUES_MAX + b"0]}"
"""Would be answered without the objects."""


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b'{"id":1,"method":5}', b"[" * 100_000, MANY])
def test_any_body_is_answered_in_json(tmp_path: Path, body: bytes) -> None:
    async def main(lone: Lone) -> None:
        gateways = lone.gateways(celestia=True, blob_max_mb=4)
        await gateways.start()
        status, answer = await ask(gateways.ports["celestia"], "POST", "/", body)
        assert status == 200
        assert "error" in orjson.loads(answer)
        await gateways.close()

    run(tmp_path, main)
