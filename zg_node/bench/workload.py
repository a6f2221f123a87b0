"""The four loads. A workload is a function from (sender, sequence number) to the call that the transaction makes.

| name    | transaction                                                          | gas      |
|---------|----------------------------------------------------------------------|----------|
| simple  | transfer of 1 wei                                                    | 21,000   |
| erc20   | `transfer` of one unit of a token                                    | 30-52 k  |
| uniswap | `swapExactTokensForTokens` on one pair, directions alternating       | ≈ 100 k  |
| mixed   | of every ten: seven transfers, two token transfers, one swap         | ≈ 32 k   |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from zg_node.bench.account import Account, fresh_address
from zg_node.bench.contract import UINT256_MAX, encode_call
from zg_node.bench.rpc import RpcClient
from zg_node.bench.setup import APPROVE_GAS, Contracts, Faucet, approve_router, deploy_exchange, deploy_token, fund
from zg_node.bench.transaction import Call, Fees


class WorkloadName(StrEnum):
    SIMPLE = "simple"
    ERC20 = "erc20"
    UNISWAP = "uniswap"
    MIXED = "mixed"


class Receivers(StrEnum):
    """To whom transfers go: accounts that have a balance already, or a new account each time, which grows the state."""

    EXISTING = "existing"
    NEW = "new"


CallOf: TypeAlias = Callable[[int, int], Call]
"""(index of the sender, its sequence number) → what that transaction does."""

GAS = {
    WorkloadName.SIMPLE: 21_000,
    WorkloadName.ERC20: 70_000,
    WorkloadName.UNISWAP: 220_000,
    WorkloadName.MIXED: 220_000,
}
"""Gas limit of the dearest transaction of each workload."""

SWAP_IN = 10**15


@dataclass(frozen=True, slots=True)
class Population:
    """Who sends, and to whom."""

    seed: str
    senders: tuple[Account, ...]
    receivers: Receivers

    def receiver(self, sender: int, sequence: int) -> bytes:
        if self.receivers is Receivers.NEW:
            return fresh_address(self.seed, sequence * len(self.senders) + sender)
        return self.senders[(sender + sequence + 1) % len(self.senders)].address


def simple_calls(population: Population) -> CallOf:
    return lambda sender, sequence: Call(population.receiver(sender, sequence), GAS[WorkloadName.SIMPLE], value=1)


def erc20_calls(population: Population, token: bytes) -> CallOf:
    def call(sender: int, sequence: int) -> Call:
        data = encode_call("transfer(address,uint256)", population.receiver(sender, sequence), 1)
        return Call(token, GAS[WorkloadName.ERC20], data=data)

    return call


def uniswap_calls(senders: Sequence[Account], router: bytes, tokens: tuple[bytes, bytes]) -> CallOf:
    def call(sender: int, sequence: int) -> Call:
        path = tokens if (sender + sequence) % 2 else tokens[::-1]
        data = encode_call(
            "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)",
            SWAP_IN,
            1,
            path,
            senders[sender].address,
            UINT256_MAX,
        )
        return Call(router, GAS[WorkloadName.UNISWAP], data=data)

    return call


def mixed_calls(simple: CallOf, erc20: CallOf, uniswap: CallOf) -> CallOf:
    tenth = (simple,) * 7 + (erc20,) * 2 + (uniswap,)
    return lambda sender, sequence: tenth[(sender + sequence) % 10](sender, sequence)


async def prepare(
    name: WorkloadName,
    population: Population,
    each: int,
    client: RpcClient,
    faucet: Faucet,
    chain_id: int,
    fees: Fees,
) -> CallOf:
    """Put on chain what `each` transactions a sender need, and return the workload."""
    senders = population.senders
    await faucet.open()
    approvals = 2 * APPROVE_GAS
    disperse = await fund(faucet, senders, (each * GAS[name] + approvals) * fees.max_fee + each)
    contracts = Contracts()
    if name in (WorkloadName.ERC20, WorkloadName.MIXED):
        contracts = Contracts(token=await deploy_token(faucet, disperse, senders, "LOAD"))
    if name in (WorkloadName.UNISWAP, WorkloadName.MIXED):
        first = contracts.token or await deploy_token(faucet, disperse, senders, "LEFT")
        tokens = (first, await deploy_token(faucet, disperse, senders, "RIGHT"))
        router = await deploy_exchange(faucet, tokens)
        contracts = Contracts(contracts.token, tokens, router)
        await approve_router(client, senders, chain_id, fees, contracts)
    return _calls(name, population, contracts)


def _calls(name: WorkloadName, population: Population, contracts: Contracts) -> CallOf:
    def erc20() -> CallOf:
        assert contracts.token is not None
        return erc20_calls(population, contracts.token)

    def uniswap() -> CallOf:
        assert contracts.router is not None
        assert contracts.pair_tokens is not None
        return uniswap_calls(population.senders, contracts.router, contracts.pair_tokens)

    match name:
        case WorkloadName.SIMPLE:
            return simple_calls(population)
        case WorkloadName.ERC20:
            return erc20()
        case WorkloadName.UNISWAP:
            return uniswap()
        case WorkloadName.MIXED:
            return mixed_calls(simple_calls(population), erc20(), uniswap())
