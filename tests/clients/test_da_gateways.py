"""Clients of other data availability networks against a development network: the OP Stack's in Go, Celestia's in Rust,
curl, and gRPC with messages made by the reference library from field numbers alone."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from tests.clients.foreign import cargo_driver, drive, go_driver
from tests.devnet import Devnet
from zg_node.gateway.celestia_blob import CelestiaBlob, to_base64
from zg_node.types.hashing import keccak

TIMEOUT_S = 60.0
DATA = Random(17).randbytes(300_000)
CONFIG = """[gateway]
disperser = true
disperser_port = {disperser}
altda = true
altda_port = {altda}
celestia = true
celestia_port = {celestia}
"""
BYTES = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
UINT64 = descriptor_pb2.FieldDescriptorProto.TYPE_UINT64
INT32 = descriptor_pb2.FieldDescriptorProto.TYPE_INT32
MESSAGE = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
"""Types of fields in a descriptor; the status is an enumeration, whose wire form is that of a number."""
FIELDS: dict[str, list[tuple[str, int, Any]]] = {
    "DisperseBlobRequest": [("data", 1, BYTES)],
    "DisperseBlobReply": [("result", 1, INT32), ("request_id", 2, BYTES)],
    "BlobStatusRequest": [("request_id", 1, BYTES)],
    "BlobHeader": [("storage_root", 1, BYTES), ("epoch", 2, UINT64), ("quorum_id", 3, UINT64)],
    "BlobInfo": [("blob_header", 1, "BlobHeader")],
    "BlobStatusReply": [("status", 1, INT32), ("info", 2, "BlobInfo")],
    "RetrieveBlobRequest": [("storage_root", 1, BYTES), ("epoch", 2, UINT64), ("quorum_id", 3, UINT64)],
    "RetrieveBlobReply": [("data", 1, BYTES)],
}
FINALIZED = 4


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """Where a development network's gateways listen."""
    home = tmp_path_factory.mktemp("gateways")
    names = ("disperser", "altda", "celestia")
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    found = {name: one.getsockname()[1] for name, one in zip(names, sockets, strict=True)}
    for one in sockets:
        one.close()
    config = home / "config.toml"
    config.write_text(CONFIG.format(**found))
    node = Devnet(home / "node", ["--config", str(config)])
    node.start()
    try:
        yield found
    finally:
        node.close()


def messages() -> dict[str, type[Message]]:
    """The disperser's messages by name."""
    file = descriptor_pb2.FileDescriptorProto(name="disperser.proto", package="disperser", syntax="proto3")
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            added = message.field.add(name=field, number=number)
            if isinstance(kind, str):
                added.type, added.type_name = MESSAGE, f".disperser.{kind}"
            else:
                added.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClassesForFiles(["disperser.proto"], pool)


def curl(*arguments: str) -> bytes:
    """What curl prints; it fails for a status of 400 and more."""
    program = shutil.which("curl")
    if program is None:
        pytest.skip("curl is not installed")
    done = subprocess.run(
        [program, "--silent", "--show-error", "--fail", *arguments],
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_grpc_client_disperses_waits_and_retrieves(ports: dict[str, int]) -> None:
    kinds = messages()
    with grpc.insecure_channel(f"127.0.0.1:{ports['disperser']}") as channel:

        def call(method: str, reply: str, request: Message) -> Any:
            answer = channel.unary_unary(f"/disperser.Disperser/{method}")(
                request.SerializeToString(), timeout=TIMEOUT_S
            )
            return kinds[f"disperser.{reply}"].FromString(answer)

        def make(name: str, **fields: object) -> Message:
            return kinds[f"disperser.{name}"](**fields)

        begun = call("DisperseBlob", "DisperseBlobReply", make("DisperseBlobRequest", data=DATA))
        asked = make("BlobStatusRequest", request_id=begun.request_id)
        deadline = time.monotonic() + TIMEOUT_S
        while (reached := call("GetBlobStatus", "BlobStatusReply", asked)).status != FINALIZED:
            assert time.monotonic() < deadline, reached
            time.sleep(0.05)
        header = reached.info.blob_header
        wanted = make(
            "RetrieveBlobRequest",
            storage_root=header.storage_root,
            epoch=header.epoch,
            quorum_id=header.quorum_id,
        )
        assert call("RetrieveBlob", "RetrieveBlobReply", wanted).data == DATA


@pytest.mark.parametrize("mode", ["", "?commitment_mode=standard"])
def test_curl_puts_and_gets_through_the_alt_da_server(ports: dict[str, int], tmp_path: Path, mode: str) -> None:
    url, file = f"http://127.0.0.1:{ports['altda']}", tmp_path / "blob"
    data = DATA * 5 + mode.encode()  # more than 1 MiB: curl asks before it sends
    file.write_bytes(data)
    octets = ("--header", "content-type: application/octet-stream", "--data-binary", f"@{file}")
    commitment = curl(*octets, f"{url}/put{mode}")
    assert curl(f"{url}/get/0x{commitment.hex()}{mode}") == data


def test_curl_puts_and_gets_by_keccak(ports: dict[str, int], tmp_path: Path) -> None:
    url, file = f"http://127.0.0.1:{ports['altda']}", tmp_path / "blob"
    data = DATA[:1000]
    file.write_bytes(data)
    key = "0x00" + keccak(data).hex()
    curl("--data-binary", f"@{file}", f"{url}/put/{key}")
    assert curl(f"{url}/get/{key}") == data


def test_curl_submits_a_blob_and_reads_it_by_height(ports: dict[str, int]) -> None:
    blob = CelestiaBlob(bytes(19) + b"rollup-one", DATA[:50_000])  # in base64 it fits into an argument
    commitment, namespace = to_base64(blob.commitment()), to_base64(blob.namespace)

    def call(method: str, *parameters: object) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
        answer = json.loads(curl("--data-binary", body, f"http://127.0.0.1:{ports['celestia']}"))
        return answer["result"]

    height = call("blob.Submit", [blob.to_json(b"", -1)], {})
    assert call("blob.Get", height, namespace, commitment)["data"] == to_base64(blob.data)
    proof = call("blob.GetProof", height, namespace, commitment)
    assert call("blob.Included", height, namespace, proof, commitment) is True


@pytest.mark.long
def test_the_op_stacks_own_client_puts_and_gets(ports: dict[str, int]) -> None:
    drive(go_driver("altda"), f"http://127.0.0.1:{ports['altda']}")


@pytest.mark.long
def test_celestias_rust_client_submits_reads_proves_and_follows(ports: dict[str, int]) -> None:
    drive(cargo_driver("celestia"), f"127.0.0.1:{ports['celestia']}")
