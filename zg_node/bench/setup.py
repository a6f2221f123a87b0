"""What must be on the chain before a load starts: funded senders, tokens, an exchange with liquidity.

Everything is paid by one faucet account and sent in few transactions, so that a server with a block a second is ready
in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zg_node.bench.account import Account, contract_address
from zg_node.bench.contract import UINT256_MAX, encode_arguments, encode_call
from zg_node.bench.rpc import RpcClient
from zg_node.bench.transaction import Call, Fees, Signed, Signer
from zg_node.contracts.artifact import creation_code
from zg_node.errors import InvalidConfig

RECIPIENTS_PER_CALL = 100
CREATION_GAS = 4_000_000
DISPERSE_GAS = 6_000_000
APPROVE_GAS = 60_000
SUPPLY = 10**30
TOKENS_PER_SENDER = 10**22
LIQUIDITY = 10**28
IN_FLIGHT_MAX = 50
"""Setup transactions of one account that wait for a block at the same time: below every server's limit for a sender."""


@dataclass(frozen=True, slots=True)
class Contracts:
    """Addresses; None where the workload has no use for the contract."""

    token: bytes | None = None
    """The token of the ERC-20 workload."""
    pair_tokens: tuple[bytes, bytes] | None = None
    router: bytes | None = None


class Faucet:
    """The account that pays for the setup: sends calls in order and waits for their receipts."""

    def __init__(self, client: RpcClient, key: bytes, chain_id: int, fees: Fees) -> None:
        self._client = client
        self._signer = Signer(key, chain_id, fees)
        self.address = Account.of(key).address
        self._nonce = 0

    async def open(self) -> None:
        self._nonce = (await self._client.nonces([self.address]))[0]

    async def balance(self) -> int:
        return await self._client.number("eth_getBalance", f"0x{self.address.hex()}", "latest")

    async def send(self, calls: Sequence[Call]) -> None:
        """Raises InvalidRequest when one is refused or fails."""
        for start in range(0, len(calls), IN_FLIGHT_MAX):
            part = calls[start : start + IN_FLIGHT_MAX]
            signed = [self._signer.sign(self._nonce + offset, call) for offset, call in enumerate(part)]
            self._nonce += len(part)
            await send_and_wait(self._client, signed)

    async def create(self, contract: str, arguments: bytes = b"") -> bytes:
        """Deploy an artefact; returns its address."""
        address = contract_address(self.address, self._nonce)
        await self.send([Call(None, CREATION_GAS, data=creation_code(contract) + arguments)])
        return address


async def send_and_wait(client: RpcClient, signed: Sequence[Signed]) -> None:
    """Send one after the other: a server may execute a batch's items in any order, and lose sight of a nonce gap."""
    for tx in signed:
        await client.call("eth_sendRawTransaction", f"0x{tx.raw_hex.decode()}")
    await client.wait_receipts([tx.hash for tx in signed])


def _groups(senders: Sequence[Account]) -> list[list[bytes]]:
    addresses = [sender.address for sender in senders]
    return [addresses[start : start + RECIPIENTS_PER_CALL] for start in range(0, len(addresses), RECIPIENTS_PER_CALL)]


async def fund(faucet: Faucet, senders: Sequence[Account], each_wei: int) -> bytes:
    """Give every sender `each_wei`; returns the disperser's address. Raises InvalidConfig for a poor faucet."""
    balance = await faucet.balance()
    if balance < each_wei * len(senders):
        raise InvalidConfig(
            f"the faucet 0x{faucet.address.hex()} has {balance / 1e18:.1f} coins and the load needs "
            f"{each_wei * len(senders) / 1e18:.1f}: lower --transactions, or name another --faucet-key"
        )
    disperse = await faucet.create("Disperse")
    await faucet.send(
        [
            Call(
                disperse,
                DISPERSE_GAS,
                value=each_wei * len(group),
                data=encode_call("disperse(address[])", group),
            )
            for group in _groups(senders)
        ]
    )
    return disperse


async def deploy_token(faucet: Faucet, disperse: bytes, senders: Sequence[Account], symbol: str) -> bytes:
    """A token of which every sender holds TOKENS_PER_SENDER; returns its address."""
    token = await faucet.create("Erc20", encode_arguments(f"Load test {symbol}", symbol, SUPPLY))
    transfers = [
        Call(
            disperse,
            DISPERSE_GAS,
            data=encode_call("disperseToken(address,address[],uint256)", token, group, TOKENS_PER_SENDER),
        )
        for group in _groups(senders)
    ]
    approve = Call(token, APPROVE_GAS, data=encode_call("approve(address,uint256)", disperse, UINT256_MAX))
    await faucet.send([approve, *transfers])
    return token


async def deploy_exchange(faucet: Faucet, tokens: tuple[bytes, bytes]) -> bytes:
    """Factory, router, and a pair of the tokens with LIQUIDITY of each; returns the router's address."""
    factory = await faucet.create("SwapFactory")
    router = await faucet.create("SwapRouter", encode_arguments(factory))
    add = encode_call(
        "addLiquidity(address,address,uint256,uint256,uint256,uint256,address,uint256)",
        *tokens,
        LIQUIDITY,
        LIQUIDITY,
        0,
        0,
        faucet.address,
        UINT256_MAX,
    )
    approve = encode_call("approve(address,uint256)", router, UINT256_MAX)
    await faucet.send(
        [Call(token, APPROVE_GAS, data=approve) for token in tokens] + [Call(router, CREATION_GAS, data=add)]
    )
    return router


async def approve_router(
    client: RpcClient, senders: Sequence[Account], chain_id: int, fees: Fees, contracts: Contracts
) -> None:
    """Every sender lets the router take both tokens."""
    assert contracts.pair_tokens is not None
    assert contracts.router is not None
    data = encode_call("approve(address,uint256)", contracts.router, UINT256_MAX)
    nonces = await client.nonces([sender.address for sender in senders])
    signed = []
    for sender, nonce in zip(senders, nonces, strict=True):
        signer = Signer(sender.key, chain_id, fees)
        for offset, token in enumerate(contracts.pair_tokens):
            signed.append(signer.sign(nonce + offset, Call(token, APPROVE_GAS, data=data)))
    for start in range(0, len(signed), 1000):
        await send_and_wait(client, signed[start : start + 1000])
