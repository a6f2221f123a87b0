"""The same first steps with web3.py.

Usage: python transfer_web3.py URL PRIVATE_KEY ARTIFACT   prints one line of JSON
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from eth_abi.abi import decode
from eth_account import Account
from web3 import AsyncWeb3, Web3, WebSocketProvider
from web3.exceptions import ContractCustomError, ContractLogicError
from web3.utils.subscriptions import LogsSubscription, LogsSubscriptionContext


def custom_error(abi: Any, data: bytes) -> str | None:
    """The error of the ABI that `data` encodes, as Name(arguments)."""
    for entry in abi:
        if entry["type"] == "error":
            kinds = [parameter["type"] for parameter in entry["inputs"]]
            if Web3.keccak(text=f"{entry['name']}({','.join(kinds)})")[:4] == data[:4]:
                return f"{entry['name']}({','.join(map(str, decode(kinds, data[4:])))})"
    return None


def failure(contract: Any, amount: int) -> str | None:
    """How `increase(amount)` fails, decoded."""
    try:
        contract.functions.increase(amount).call()
    except ContractCustomError as error:
        return custom_error(contract.abi, bytes.fromhex(str(error.data)[2:]))
    except ContractLogicError as error:
        return (error.message or "").removeprefix("execution reverted: ")
    return None


async def increase_and_watch(url: str, contract: Any, send: Any) -> tuple[Any, Any]:
    """Subscribe to the contract's events, run `send` in a thread; returns (its receipt, the pushed event)."""
    pushed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def on_log(context: LogsSubscriptionContext) -> None:
        pushed.set_result(contract.events.Increased().process_log(context.result))

    async with AsyncWeb3(WebSocketProvider(url.replace("http", "ws", 1))) as w3:
        await w3.subscription_manager.subscribe(LogsSubscription(address=contract.address, handler=on_log))
        handling = asyncio.create_task(w3.subscription_manager.handle_subscriptions())
        receipt = await asyncio.to_thread(send)
        event = await asyncio.wait_for(pushed, 20)
        handling.cancel()
    return receipt, event


def main(url: str, key: str, artifact_path: str) -> None:
    artifact = json.loads(Path(artifact_path).read_text())
    w3 = Web3(Web3.HTTPProvider(url))
    sender = w3.eth.account.from_key(key)
    to = Account.create().address

    def send(transaction: Any) -> Any:
        nonce = w3.eth.get_transaction_count(sender.address)
        filled: Any = {"from": sender.address, "nonce": nonce, "chainId": w3.eth.chain_id, **transaction}
        filled.setdefault("gas", w3.eth.estimate_gas(filled))
        filled.setdefault("maxPriorityFeePerGas", w3.eth.max_priority_fee)
        filled.setdefault("maxFeePerGas", 2 * w3.eth.gas_price + filled["maxPriorityFeePerGas"])
        signed = sender.sign_transaction(filled)
        return w3.eth.wait_for_transaction_receipt(w3.eth.send_raw_transaction(signed.raw_transaction), 30, 0.05)

    receipt = send({"to": to, "value": w3.to_wei("1.5", "ether")})
    deployed = send({"data": artifact["bytecode"]})
    contract = w3.eth.contract(address=deployed["contractAddress"], abi=artifact["abi"])
    call = {"to": contract.address, "data": contract.encode_abi("increase", [7])}
    increased, pushed = asyncio.run(increase_and_watch(url, contract, lambda: send(call)))
    block = increased["blockNumber"]
    (event,) = contract.events.Increased().get_logs(from_block=block, to_block=block)
    print(  # noqa: T201
        json.dumps(
            {
                "status": receipt["status"],
                "block": receipt["blockNumber"],
                "received": str(w3.eth.get_balance(to)),
                "event": [event["args"]["amount"], event["args"]["value"]],
                "pushed": [pushed["args"]["amount"], pushed["args"]["value"]],
                "value": contract.functions.value().call(),
                "reason": failure(contract, 0),
                "custom_error": failure(contract, 2000),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
