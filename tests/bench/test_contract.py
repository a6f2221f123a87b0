"""Calls are encoded as the public ABI library encodes them."""

from __future__ import annotations

from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from zg_node.bench.account import derive_senders
from zg_node.bench.contract import encode_arguments, encode_call
from zg_node.bench.workload import Population, Receivers, simple_calls, uniswap_calls
from zg_node.contracts.artifact import creation_code

addresses = st.binary(min_size=20, max_size=20)


@given(st.integers(0, 2**256 - 1), addresses, st.text(max_size=70), st.lists(addresses, max_size=4))
def test_arguments_encode_as_the_abi_library_does(number: int, address: bytes, text: str, path: list[bytes]) -> None:
    kinds = ["uint256", "address", "string", "address[]", "uint256"]
    assert encode_arguments(number, address, text, path, 5) == encode(kinds, [number, address, text, path, 5])


def test_a_call_begins_with_its_selector() -> None:
    assert encode_call("transfer(address,uint256)", bytes(20), 1)[:4].hex() == "a9059cbb"


def test_every_contract_of_the_setup_is_packaged() -> None:
    for name in ("Disperse", "Erc20", "SwapFactory", "SwapRouter"):
        assert len(creation_code(name)) > 100


def test_new_receivers_never_repeat_and_existing_ones_are_the_senders() -> None:
    senders = derive_senders("test", 5)
    new = simple_calls(Population("test", senders, Receivers.NEW))
    assert len({new(sender, sequence).to for sender in range(5) for sequence in range(20)}) == 100
    existing = simple_calls(Population("test", senders, Receivers.EXISTING))
    known = {sender.address for sender in senders}
    for sender in range(5):
        for sequence in range(20):
            assert existing(sender, sequence).to in known


def test_swaps_go_both_ways_equally_often() -> None:
    senders = derive_senders("test", 4)
    left, right = b"\x01" * 20, b"\x02" * 20
    calls = uniswap_calls(senders, b"\x03" * 20, (left, right))
    data = [calls(sender, sequence).data for sender in range(4) for sequence in range(4)]
    assert sum(one.find(left) < one.find(right) for one in data) == 8
