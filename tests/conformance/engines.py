"""Both engines behind one signature: the text of a state-test file and a fork in, verdicts out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import rlp

from tests.conformance.case import Verdict, case_name, number, octets, posts
from tests.conformance.world import World
from zg_node import _core
from zg_node.errors import InvalidTransaction
from zg_node.execution.pyevm.encoding import encode_diff
from zg_node.execution.pyevm.machine import CANCUN, PRAGUE, Fork
from zg_node.execution.pyevm.transition import BLOCKHASH_WINDOW, BlockContext, Receipt, Transition, decode
from zg_node.types.hashing import keccak

PYEVM_FORKS = {fork.name: fork for fork in (PRAGUE, CANCUN)}


def run_native(text: str, fork: str) -> list[Verdict]:
    """Every case for `fork` on revm, inside the core."""
    results = json.loads(_core.run_state_test(text, fork))
    return [
        Verdict("native", fork, case_name(result["name"], result["index"]), None if result["pass"] else result["error"])
        for result in results
    ]


def run_pyevm(text: str, fork: str) -> list[Verdict]:
    """Every case for `fork` on py-evm through the node's adapter; none when py-evm does not know the fork."""
    rules = PYEVM_FORKS.get(fork)
    if rules is None:
        return []
    return [
        Verdict("py-evm", fork, case_name(name, index), _outcome(rules, test, post))
        for name, test in json.loads(text).items()
        for index, post in enumerate(posts(test, fork))
    ]


ENGINES: dict[str, Callable[[str, str], list[Verdict]]] = {"native": run_native, "py-evm": run_pyevm}


def _outcome(fork: Fork, test: dict[str, Any], post: dict[str, Any]) -> str | None:
    """Why a case fails; None when it passes."""
    try:
        return _error(fork, test, post)
    except Exception as error:  # noqa: BLE001 - whatever py-evm throws at a case is that case's failure
        return f"raised {error!r}"


def _error(fork: Fork, test: dict[str, Any], post: dict[str, Any]) -> str | None:
    """Why a case fails; None when it passes. A case that must be refused may be for any reason."""
    world = _world(test["pre"])
    context = _context(test)
    hashes = (
        keccak(str(context.number - depth).encode()) for depth in range(1, min(context.number, BLOCKHASH_WINDOW) + 1)
    )
    transition = Transition(fork, context, world, hashes)
    refusal = None
    try:
        receipt = transition.transact(decode(fork, octets(post["txbytes"])))
    except InvalidTransaction as error:
        refusal, receipt = str(error), Receipt(False, 0, ())
    expected = post.get("expectException")
    if refusal is not None and expected is None:
        return f"refused: {refusal}"
    if refusal is None and expected is not None:
        return f"accepted, expected {expected}"
    world.apply(encode_diff(transition.journal))
    logs = keccak(rlp.encode([list(log) for log in receipt.logs]))
    if refusal is None and logs != octets(post["logs"]):
        return f"logs hash 0x{logs.hex()}, expected {post['logs']}"
    root = world.root()
    return None if root == octets(post["hash"]) else f"state root 0x{root.hex()}, expected {post['hash']}"


def _world(pre: dict[str, Any]) -> World:
    world = World()
    for address, account in pre.items():
        storage = {number(slot): number(value) for slot, value in account["storage"].items()}
        code = octets(account["code"])
        world.insert(octets(address), number(account["nonce"]), number(account["balance"]), code, storage)
    return world


def _context(test: dict[str, Any]) -> BlockContext:
    env = test["env"]
    return BlockContext(
        chain_id=number(test["config"]["chainid"]),
        parent_hash=bytes(32),
        number=number(env["currentNumber"]),
        timestamp=number(env["currentTimestamp"]),
        coinbase=octets(env["currentCoinbase"]),
        gas_limit=number(env["currentGasLimit"]),
        base_fee=number(env.get("currentBaseFee", "0x0")),
        prev_randao=octets(env.get("currentRandom", "0x" + "00" * 32)),
        parent_beacon_root=bytes(32),
        excess_blob_gas=number(env.get("currentExcessBlobGas", "0x0")),
    )
