"""Who a node is on the network: an Ed25519 key, kept between runs, and the peer id that follows from it.

    <home>/node/0x….json    the 32-byte seed in an encrypted keystore, as every key on disk
    <home>/node/password    what opens it without asking: 0600, made with it

The identity holds no money and casts no vote; whoever steals it can pose as this node's address, no more.
"""

from __future__ import annotations

import secrets
from importlib.util import find_spec
from pathlib import Path

from zg_node.db.durable import make_directory, write_file
from zg_node.errors import InvalidConfig
from zg_node.keys import Keystore

SCRYPT_N = 1 << 12
"""Cheap: the password is random and lies beside the file."""
PASSWORD_MAX_BYTES = 256
_IDENTITY_MULTIHASH = bytes.fromhex("002408011220")
"""Multihash "identity", 36 bytes: a libp2p PublicKey of type Ed25519 with 32 bytes."""


def node_seed(home: Path) -> bytes:
    """The node's seed, 32 bytes, made when there is none. Raises InvalidConfig."""
    directory = home / "node"
    store, password_file = Keystore(directory, SCRYPT_N), directory / "password"
    try:
        if not password_file.exists():
            make_directory(directory, mode=0o700)
            write_file(password_file, secrets.token_hex(24).encode(), mode=0o600)
        with password_file.open("rb") as file:
            password = file.read(PASSWORD_MAX_BYTES).decode("ascii", "replace").strip()
    except OSError as error:
        raise InvalidConfig(f"{directory} cannot be used: {error.strerror}") from error
    keys = store.list()
    if len(keys) > 1:
        raise InvalidConfig(f"{directory} holds {len(keys)} keys, and a node has one identity: move the others away")
    stored = keys[0] if keys else store.create(password)
    return store.export(stored.address, password)


def peer_id(seed: bytes) -> str:
    """The libp2p peer id, base58, of a 32-byte seed. Raises InvalidConfig where networking is not installed."""
    require_p2p()
    import base58
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return base58.b58encode(_IDENTITY_MULTIHASH + public).decode("ascii")


def require_p2p() -> None:
    """Raise InvalidConfig unless the extra that networking needs is installed."""
    if find_spec("libp2p") is None:
        raise InvalidConfig("a network of nodes needs libp2p: pip install 'zg-node[p2p]'")
