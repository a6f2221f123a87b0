"""Functions, events and errors of artefacts, and answers that are none."""

from __future__ import annotations

import pytest

from zg_node.contracts import staking
from zg_node.contracts.abi import interface, parse_function
from zg_node.errors import InvalidConfig

ERC20 = interface("Erc20")
ALICE, BOB = b"\xa1" * 20, b"\xb0" * 20


def word(value: bytes | int) -> bytes:
    return value.to_bytes(32, "big") if isinstance(value, int) else value.rjust(32, b"\0")


def test_an_artefacts_function_is_the_one_that_its_text_names() -> None:
    assert ERC20.functions["transfer"] == parse_function("transfer(address,uint256)(bool)")
    assert ERC20.functions["transfer"].encode(BOB, 5) == bytes.fromhex("a9059cbb") + word(BOB) + word(5)


def test_an_event_gives_its_fields_by_name() -> None:
    [transfer] = [event for event in ERC20.events.values() if event.name == "Transfer"]
    fields = transfer.decode([transfer.topic, word(ALICE), word(BOB)], word(7))
    assert list(fields.values()) == ["0x" + ALICE.hex(), "0x" + BOB.hex(), 7]


@pytest.mark.parametrize(
    ("topics", "data"),
    [([], word(7)), ([word(1), word(ALICE), word(BOB)], word(7)), (None, b""), (None, word(7)[:31])],
)
def test_a_log_of_something_else_is_refused(topics: list[bytes] | None, data: bytes) -> None:
    [transfer] = [event for event in ERC20.events.values() if event.name == "Transfer"]
    with pytest.raises(InvalidConfig):
        transfer.decode([transfer.topic, word(ALICE), word(BOB)] if topics is None else topics, data)


@pytest.mark.parametrize("values", [(), (BOB,), (BOB, -1), (BOB, 1 << 256), (BOB[:19], 1), ("bob", 1)])
def test_values_that_do_not_fit_are_refused(values: tuple[object, ...]) -> None:
    with pytest.raises(InvalidConfig):
        ERC20.functions["transfer"].encode(*values)


@pytest.mark.parametrize("data", [b"", b"\1" * 31, b"\xff" * 64])
def test_an_answer_of_another_shape_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidConfig):
        staking.decode_set(data)


@pytest.mark.parametrize("data", [b"", b"\0\0\0\0", bytes.fromhex("08c379a0")])
def test_a_revert_of_something_else_is_no_error_of_the_contract(data: bytes) -> None:
    assert staking.explain(data) is None


def test_an_error_that_is_cut_short_is_none() -> None:
    [jailed] = [error for error in interface("Staking").errors.values() if error.name == "StillJailed"]
    assert staking.explain(jailed.encode(7)) == "StillJailed(7)"
    assert staking.explain(jailed.encode(7)[:-1]) is None


@pytest.mark.parametrize("missed", [0, 1, staking.MISSED_MAX, 3 * staking.MISSED_MAX])
def test_a_closing_call_names_the_newest_absentees(missed: int) -> None:
    voters = [number.to_bytes(20, "big") for number in range(1, missed + 1)]
    [(contract, data)] = staking.closing_calls(3, True, voters)
    assert contract == staking.STAKING
    tail = [data[i : i + 32][12:] for i in range(4 + 4 * 32, len(data), 32)]
    assert tail == voters[-staking.MISSED_MAX :]
