"""Everything that a peer may say wrongly, layer by layer, drawn from a seed.

    raw TCP · inside of the Noise handshake · Noise records · Yamux frames · multistream · gossip · direct · parts ·
    requests · answers to the streams that the victim opens

An attack connects with an identity of its own, does its worst for a second or two, and goes. Sockets are real.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Awaitable, Callable

import trio
from libp2p.exceptions import BaseLibp2pError
from libp2p.identity.identify.identify import ID as IDENTIFY_PROTOCOL
from libp2p.kad_dht.common import PROTOCOL_ID as TABLE_PROTOCOL
from libp2p.pubsub.pb import rpc_pb2

from tests.p2p.attacker import ACK, DATA, FIN, HEADER, PING, RST, SYN, WINDOW, Attacker, connected
from tests.p2p.nodes import ECHO, TX
from zg_node.p2p.address import endpoint, parse_peer_address
from zg_node.p2p.framing import PART_HEADER, PART_MAX_BYTES, prefixed
from zg_node.p2p.negotiation import token
from zg_node.p2p.network import DIRECT_MAX_BYTES
from zg_node.p2p.topics import BULK_PROTOCOL, DIRECT_PROTOCOL, MESH_PROTOCOL, PEERS_PROTOCOL
from zg_node.p2p.varint import encode_varint

ATTACK_S = 2.0
FRAMES_MAX = 200
PROTOCOLS = (
    DIRECT_PROTOCOL,
    BULK_PROTOCOL,
    MESH_PROTOCOL,
    PEERS_PROTOCOL,
    ECHO,
    str(IDENTIFY_PROTOCOL),
    str(TABLE_PROTOCOL),
    "/ipfs/ping/1.0.0",
)
SIZES = (0, 1, 2, 11, 12, 13, 255, 4_096, 65_535, 200_000)
NUMBERS = (0, 1, 2, 127, 128, 255, 65_535, 65_536, 2**18, 2**22 + 1, 2**31, 2**32 - 1)

Attack = Callable[[str, random.Random], Awaitable[None]]
"""(address of the victim, randomness)."""


async def raw_bytes(address: str, rng: random.Random) -> None:
    """Anything but a negotiation, or a part of one, and then silence or nothing."""
    start = rng.choice((b"", token("/multistream/1.0.0"), token("/multistream/1.0.0") + token("/noise")))
    await _speak(address, start[: rng.randint(0, len(start))] + rng.randbytes(rng.choice(SIZES)), rng)


async def noise_handshake(address: str, rng: random.Random) -> None:
    """Handshake messages that are none: of any length, or cut short."""
    messages = [rng.randbytes(rng.choice((0, 31, 32, 33, 200, 5_000))) for _ in range(rng.randint(1, 4))]
    lies = [rng.choice((len(message), *NUMBERS)) & 0xFFFF for message in messages]
    body = b"".join(lie.to_bytes(2, "big") + message for lie, message in zip(lies, messages, strict=True))
    await _speak(address, token("/multistream/1.0.0") + token("/noise") + body, rng)


async def noise_records(address: str, rng: random.Random) -> None:
    """Records that nobody encrypted, after a handshake that was right."""
    async with connected(address) as peer:
        body = rng.randbytes(rng.choice(SIZES) & 0xFFFF)
        await peer.write_raw(len(body).to_bytes(2, "big") + body)
        await peer.read_for(0.1)


async def yamux_bytes(address: str, rng: random.Random) -> None:
    """Plaintext that is no frame."""
    async with connected(address) as peer:
        await peer.write(rng.randbytes(rng.choice(SIZES)))
        await peer.read_for(0.1)


async def yamux_frames(address: str, rng: random.Random) -> None:
    """Frames with likely types and any other fields, whole or not."""
    async with connected(address) as peer:
        for _ in range(rng.randint(1, FRAMES_MAX)):
            kind = rng.choice((DATA, DATA, WINDOW, WINDOW, PING, 3, 4))
            flags = rng.choice((0, SYN, ACK, FIN, RST, SYN | FIN, 0xFFFF))
            payload = rng.randbytes(rng.choice((0, 1, 300, 5_000))) if kind == DATA else b""
            length = len(payload) if kind == DATA and rng.random() < 0.9 else rng.choice(NUMBERS)
            if not await peer.frame(kind, flags, rng.choice((0, 1, 1, 3, 5, 2, 2**32 - 1)), length, payload):
                return
        await peer.read_for(0.1)


async def yamux_floods(address: str, rng: random.Random) -> None:
    """As many streams, pings, resets or window updates as fit, whose answers nobody reads."""
    kind = rng.choice(("streams", "pings", "resets", "windows"))
    async with connected(address) as peer:
        for start in range(0, 50_000, 5_000):
            if not await peer.write(b"".join(_flood_frame(kind, index) for index in range(start, start + 5_000))):
                return


async def negotiations(address: str, rng: random.Random) -> None:
    """Tokens that are too long, unknown, not text, never whole, or too many."""
    async with connected(address) as peer:
        for stream in range(1, 2 * rng.randint(1, 40), 2):
            body = b"".join(
                rng.choice((token("/multistream/1.0.0"), token("/nope/1"), rng.randbytes(9), b"\xff\xff\xff"))
                for _ in range(rng.randint(1, 12))
            )
            await peer.frame(DATA, SYN, stream, len(body), body)
        await peer.read_for(0.2)


async def gossip_frames(address: str, rng: random.Random) -> None:
    """Frames of the gossip protocol: with control messages for everything, false signatures, broken ones, garbage."""
    async with connected(address) as peer:
        frames = [_gossip_frame(rng) for _ in range(rng.randint(1, 60))]
        await peer.open(MESH_PROTOCOL, b"".join(encode_varint(len(frame)) + frame for frame in frames)[:200_000])
        await peer.read_for(0.3)


async def direct_frames(address: str, rng: random.Random) -> None:
    """Messages that no service understands, many small ones, lengths that lie."""
    whole = prefixed(rng.randbytes(rng.choice(SIZES) % 60_000))
    body = rng.choice((prefixed(b"x") * 20_000, whole, rng.randbytes(500)))
    async with connected(address) as peer:
        for stream in range(1, 2 * rng.randint(1, 8), 2):
            await peer.open(DIRECT_PROTOCOL, body[:200_000], stream)
        await peer.read_for(0.2)


async def bulk_parts(address: str, rng: random.Random) -> None:
    """Messages that are begun and never finished, and parts that contradict each other."""
    async with connected(address) as peer:
        for stream in range(1, 2 * rng.randint(1, 8), 2):
            size = rng.choice((1, 1_000, 100_000, 150_000))
            total = rng.choice((DIRECT_MAX_BYTES, size, size + 1, *NUMBERS)) & 0xFFFFFFFF
            first = prefixed(PART_HEADER.pack(0, total) + bytes(size))
            second = prefixed(PART_HEADER.pack(rng.choice((size, *NUMBERS)) & 0xFFFFFFFF, total) + bytes(10))
            lie = (PART_HEADER.size + PART_MAX_BYTES + rng.randint(0, 1)).to_bytes(4, "big")
            await peer.open(BULK_PROTOCOL, first + rng.choice((second, lie, b"")), stream)
        await peer.read_for(0.3)


async def questions(address: str, rng: random.Random) -> None:
    """Questions that are too long, too many, never whole, or garbage, on every protocol there is."""
    async with connected(address) as peer:
        for stream in range(1, 2 * rng.randint(1, 60), 2):
            body = rng.randbytes(rng.choice(SIZES))
            data = rng.choice((prefixed(body), body, encode_varint(len(body)) + body, prefixed(b"question")))
            await peer.open(rng.choice(PROTOCOLS), data[:200_000], stream)
            if rng.random() < 0.5:
                await peer.frame(WINDOW, rng.choice((FIN, RST)), stream, 0)
        await peer.read_for(0.3)


async def answers(address: str, rng: random.Random) -> None:
    """Garbage on every stream that the victim opens, some of it behind the right agreement."""

    async def respond(peer: Attacker, stream: int, protocol: bytes) -> None:
        body = rng.randbytes(rng.choice(SIZES) % 60_000)
        data = rng.choice((protocol + body, protocol + encode_varint(len(body)) + body, body, token("na")))
        await peer.frame(DATA, ACK, stream, len(data), data)

    async with connected(address) as peer:
        await peer.answer_all(respond, 0.5)


ATTACKS: dict[str, Attack] = {
    attack.__name__: attack
    for attack in (
        raw_bytes,
        noise_handshake,
        noise_records,
        yamux_bytes,
        yamux_frames,
        yamux_floods,
        negotiations,
        gossip_frames,
        direct_frames,
        bulk_parts,
        questions,
        answers,
    )
}


async def strike(name: str, address: str, rng: random.Random) -> bool:
    """Run one attack, for ATTACK_S at most; returns whether it came to an end by itself. The victim may close the
    connection at any point, which is its right."""
    with trio.move_on_after(ATTACK_S) as scope:
        try:
            await ATTACKS[name](address, rng)
        except (OSError, BaseLibp2pError, trio.BrokenResourceError, trio.ClosedResourceError):
            return True
    return not scope.cancelled_caught


async def _speak(address: str, data: bytes, rng: random.Random) -> None:
    """Write to a bare socket, and listen for a moment or leave at once."""
    bare, _ = parse_peer_address(address)
    stream = await trio.open_tcp_stream(*endpoint(bare))
    async with stream:
        if rng.random() < 0.2:  # a reset instead of a goodbye
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await stream.send_all(data)
        with trio.move_on_after(rng.choice((0, 0.05, 0.5))):
            while await stream.receive_some(65_536):
                pass


def _flood_frame(kind: str, index: int) -> bytes:
    match kind:
        case "streams":
            return HEADER.pack(0, WINDOW, SYN, 2 * index + 1, 0)
        case "pings":
            return HEADER.pack(0, PING, SYN, 0, index)
        case "resets":
            return HEADER.pack(0, WINDOW, SYN | RST, 2 * index + 1, 0)
        case _:
            return HEADER.pack(0, WINDOW, 0, 1, 2**32 - 1)


def _gossip_frame(rng: random.Random) -> bytes:
    rpc = rpc_pb2.RPC()
    for _ in range(rng.randint(0, 3)):
        topic = rng.choice((TX, TX, "/zg/elsewhere", "x" * 1_000))
        rpc.subscriptions.add(subscribe=rng.random() < 0.8, topicid=topic)
        ids = [rng.randbytes(rng.choice((0, 8, 46, 500))) for _ in range(rng.randint(0, 40))]
        rpc.control.ihave.add(topicID=topic, messageIDs=ids)
        rpc.control.iwant.add(messageIDs=ids)
        rpc.control.graft.add(topicID=topic)
        rpc.control.prune.add(topicID=topic, backoff=rng.choice((0, 1, 2**63)))
        rpc.publish.add(
            from_id=rng.choice((b"", bytes.fromhex("002408011220") + rng.randbytes(32), rng.randbytes(200))),
            seqno=rng.randbytes(rng.choice((0, 8, 9))),
            data=rng.randbytes(rng.choice((0, 200, 3_000))),
            topicIDs=[topic] * rng.randint(0, 2),
            signature=rng.randbytes(rng.choice((0, 64))),
            key=rng.randbytes(rng.choice((0, 36))),
        )
    frame = bytearray(rpc.SerializeToString())
    for _ in range(rng.choice((0, 0, 1, 5))):
        if frame:
            frame[rng.randrange(len(frame))] = rng.randrange(256)
    return bytes(frame)
