"""What a libp2p host is told when it starts; the node's configuration fills it in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from zg_node.errors import InvalidMessage

IDENTITY_BYTES = 32


@dataclass(frozen=True, slots=True)
class P2pSettings:
    """One host, for all shards."""

    listen: str
    """Multiaddress to listen on, such as /ip4/0.0.0.0/tcp/26656; port 0 takes any free one."""
    bootstrap: tuple[str, ...]
    """Multiaddresses with /p2p/<id> that are always dialled again."""
    identity: bytes = field(repr=False)
    """Seed of the Ed25519 key behind our peer id, 32 bytes."""
    home: Path
    """Directory for the ban list and the address book; made when it is missing."""
    network: str
    """First 8 bytes of the network's hash, in hex: part of every topic."""
    shards: int
    """How many shards the network has."""
    fast_path: bool = True
    """Our own Yamux and gossip; False runs the library's, with the same bytes on the wire."""
    mdns: bool = False
    """Whether to find peers on the local network."""
    dht: bool = True
    """Whether to find peers through a Kademlia table."""

    def encode(self, protocols: tuple[str, ...], log_level: int) -> bytes:
        """JSON for the host's process; goes over a socket that nobody else can open."""
        return json.dumps(
            {
                "listen": self.listen,
                "bootstrap": self.bootstrap,
                "identity": self.identity.hex(),
                "home": str(self.home),
                "network": self.network,
                "shards": self.shards,
                "fast_path": self.fast_path,
                "mdns": self.mdns,
                "dht": self.dht,
                "protocols": protocols,
                "log_level": log_level,
            }
        ).encode()


def decode_settings(text: bytes) -> tuple[P2pSettings, tuple[str, ...], int]:
    """The settings, the request protocols to serve, and the least serious message to log. Raises InvalidMessage."""
    try:
        fields = json.loads(text)
        protocols = tuple(fields.pop("protocols"))
        log_level = int(fields.pop("log_level"))
        fields["bootstrap"] = tuple(fields["bootstrap"])
        fields["identity"] = bytes.fromhex(fields["identity"])
        fields["home"] = Path(fields["home"])
        settings = P2pSettings(**fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidMessage("not the settings of a host") from error
    if len(settings.identity) != IDENTITY_BYTES:
        raise InvalidMessage("an identity is 32 bytes")
    return settings, protocols, log_level
