"""Addresses: /ip4/203.0.113.7/tcp/26656/p2p/12D3KooW… and the like."""

from __future__ import annotations

import ipaddress
import socket

from libp2p.peer.id import ID
from multiaddr import Multiaddr  # type: ignore[import-untyped]
from multiaddr.exceptions import Error as MultiaddrError  # type: ignore[import-untyped]

from zg_node.errors import Unavailable

__all__ = [
    "Multiaddr",
    "MultiaddrError",
    "bare",
    "check_free",
    "endpoint",
    "host_of",
    "neighbourhood",
    "parse_peer_address",
    "with_peer",
]

HOST_PROTOCOLS = ("ip4", "ip6", "dns", "dns4", "dns6")
ADDRESS_MAX_BYTES = 512
SUBNET_BITS = 64
"""Of an IPv6 address: one host has a whole subnet to connect from."""


def parse_peer_address(text: str) -> tuple[Multiaddr, ID]:
    """(address without the peer, peer) of an address that ends in /p2p/<id>. Raises Unavailable."""
    try:
        if len(text) > ADDRESS_MAX_BYTES:
            raise ValueError("too long")
        address = Multiaddr(text)
        peer = address.value_for_protocol("p2p")
        socket_address = address.decapsulate(Multiaddr(f"/p2p/{peer}"))
        endpoint(socket_address)
        return socket_address, ID.from_string(peer)
    except (ValueError, KeyError, MultiaddrError) as error:
        raise Unavailable(f"not an address to dial: {text!r} (expected /ip4/…/tcp/…/p2p/…)") from error


def endpoint(address: Multiaddr) -> tuple[str, int]:
    """(host, port) of a TCP address. Raises ValueError."""
    names = [protocol.name for protocol in address.protocols()]
    if len(names) != 2 or names[0] not in HOST_PROTOCOLS or names[1] != "tcp":
        raise ValueError(f"not a TCP address: {address}")
    return str(address.value_for_protocol(names[0])), int(address.value_for_protocol("tcp"))


def check_free(address: Multiaddr) -> None:
    """Make sure that nobody listens there: the library shares ports with whoever else does. Raises OSError."""
    host, port = endpoint(address)
    family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        probe.listen(1)


def bare(address: Multiaddr) -> Multiaddr:
    """The address without /p2p/<id>, which peers like to add to their own."""
    parts = address.split()
    return Multiaddr.join(*parts[:-1]) if len(parts) > 1 and str(parts[-1]).startswith("/p2p/") else address


def with_peer(address: Multiaddr, peer: ID) -> str:
    """The address with /p2p/<id> at its end."""
    return f"{address}/p2p/{peer.to_base58()}"


def host_of(address: Multiaddr) -> str | None:
    """The host in a TCP address, None where there is none."""
    try:
        return endpoint(address)[0]
    except ValueError:
        return None


def neighbourhood(host: str) -> str:
    """What the addresses share that one host can have in any number: itself for IPv4, the subnet for IPv6; "" for what
    is no IP address."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return ""
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is None:
        return str(ipaddress.ip_network((int(ip), SUBNET_BITS), strict=False))
    return host.rpartition(":")[2]
