"""The load test's own encoder and signer agree with the public libraries."""

from __future__ import annotations

import rlp
from eth_account import Account as PublicAccount
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes
from hypothesis import given
from hypothesis import strategies as st

from zg_node.bench.account import DEVNET_FAUCET_KEY, Account, contract_address, derive_senders
from zg_node.bench.rlp import encode_bytes, encode_int, encode_list
from zg_node.bench.signing import SenderPlan, sign_plans
from zg_node.bench.transaction import Call, Fees, Signer
from zg_node.types.hashing import keccak


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_lists_encode_as_the_rlp_library_does(items: list[bytes]) -> None:
    assert encode_list(map(encode_bytes, items)) == rlp.encode(items)


@given(st.integers(min_value=0, max_value=2**256 - 1))
def test_integers_encode_as_the_rlp_library_does(value: int) -> None:
    assert encode_int(value) == rlp.encode(value)


def test_the_faucet_is_the_well_known_account() -> None:
    assert Account.of(DEVNET_FAUCET_KEY).address.hex() == "f39fd6e51aad88f6f4ce6ab8827279cfffb92266"


def test_contract_addresses_follow_from_creator_and_nonce() -> None:
    # The first contract of the well-known account 0, as every development chain shows it.
    creator = Account.of(DEVNET_FAUCET_KEY).address
    assert contract_address(creator, 0).hex() == "5fbdb2315678afecb367f032d93f642f64180aa3"


@given(
    nonce=st.integers(0, 2**64 - 2),
    value=st.integers(0, 2**128),
    data=st.binary(max_size=100),
    to=st.none() | st.binary(min_size=20, max_size=20),
)
def test_a_public_library_recovers_sender_and_fields(nonce: int, value: int, data: bytes, to: bytes | None) -> None:
    sender = derive_senders("test", 1)[0]
    signed = Signer(sender.key, 1660200, Fees(max_fee=10**9, max_tip=7)).sign(nonce, Call(to, 50_000, value, data))
    raw = bytes.fromhex(signed.raw_hex.decode())
    assert PublicAccount.recover_transaction(raw).lower() == f"0x{sender.address.hex()}"
    assert keccak(raw) == signed.hash
    fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    assert (fields["chainId"], fields["nonce"], fields["gas"], fields["value"]) == (1660200, nonce, 50_000, value)
    assert (fields["maxFeePerGas"], fields["maxPriorityFeePerGas"]) == (10**9, 7)
    assert (bytes(fields["to"]), bytes(fields["data"])) == (to or b"", data)


def test_a_plan_is_signed_with_consecutive_nonces() -> None:
    sender = derive_senders("test", 1)[0]
    fees = Fees(10**9, 0)
    calls = tuple(Call(bytes(20), 21_000, value) for value in range(3))
    (signed,) = sign_plans([SenderPlan(sender.key, 1, fees, 5, calls)])
    assert signed == [Signer(sender.key, 1, fees).sign(5 + index, call) for index, call in enumerate(calls)]
