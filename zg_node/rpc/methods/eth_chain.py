"""eth_*: which chain this is and where it stands."""

from __future__ import annotations

import zlib
from typing import Final

from zg_node.errors import Unavailable
from zg_node.rpc.api import Chain, Context, Method
from zg_node.rpc.encoding import FALSE, document, quantity
from zg_node.rpc.params import Arguments

PRECOMPILES: Final = {
    "BLAKE2F": 0x09,
    "BLS12_G1ADD": 0x0B,
    "BLS12_G1MSM": 0x0C,
    "BLS12_G2ADD": 0x0D,
    "BLS12_G2MSM": 0x0E,
    "BLS12_MAP_FP2_TO_G2": 0x11,
    "BLS12_MAP_FP_TO_G1": 0x10,
    "BLS12_PAIRING_CHECK": 0x0F,
    "BN254_ADD": 0x06,
    "BN254_MUL": 0x07,
    "BN254_PAIRING": 0x08,
    "ECREC": 0x01,
    "ID": 0x04,
    "KZG_POINT_EVALUATION": 0x0A,
    "MODEXP": 0x05,
    "P256VERIFY": 0x100,
    "RIPEMD160": 0x03,
    "SHA256": 0x02,
}
SYSTEM_CONTRACTS: Final = {
    "BEACON_ROOTS_ADDRESS": "0x000f3df6d732807ef1319fb7b8bb8522d0beac02",
    "HISTORY_STORAGE_ADDRESS": "0x0000f90827f1c53a10cb7a02335b175320002935",
}
BLOB_SCHEDULE: Final = {"baseFeeUpdateFraction": 11_684_671, "max": 21, "target": 14}
"""BPO2."""


def chain_id(context: Context, arguments: Arguments) -> bytes:
    return quantity(context.shard.chain.chain_id)


def block_number(context: Context, arguments: Arguments) -> bytes:
    return quantity(context.shard.chain.head.number)


def syncing(context: Context, arguments: Arguments) -> bytes:
    """False, or how far catching up with the other nodes is."""
    progress = context.node.progress(context.shard.chain.shard)
    if progress is None:
        return FALSE
    return document(
        {
            "startingBlock": hex(progress.started),
            "currentBlock": hex(progress.done),
            "highestBlock": hex(progress.target),
        }
    )


def config(context: Context, arguments: Arguments) -> bytes:
    """The fork's parameters. EIP-7910; one fork, in force since block 0."""
    return document({"current": current_fork(context.shard.chain), "next": None, "last": None})


def current_fork(chain: Chain) -> dict[str, object]:
    genesis = chain.by_number(0)
    if genesis is None:
        raise Unavailable("block 0 is not kept by this node")
    return {
        "activationTime": 0,
        "blobSchedule": BLOB_SCHEDULE,
        "chainId": hex(chain.chain_id),
        "forkId": f"0x{zlib.crc32(genesis.hash):08x}",  # EIP-2124 with no later fork
        "precompiles": {name: f"0x{address:040x}" for name, address in PRECOMPILES.items()},
        "systemContracts": SYSTEM_CONTRACTS,
    }


METHODS = {
    "eth_chainId": Method(chain_id, 0),
    "eth_blockNumber": Method(block_number, 0),
    "eth_syncing": Method(syncing, 0),
    "eth_config": Method(config, 0),
}
