"""What people type after an option: amounts of coins, addresses, bytes; all checked before a command runs."""

from __future__ import annotations

import re

import click

from zg_node.keys import checksum

UNIT_DECIMALS = {"wei": 0, "gwei": 9, "ether": 18, "": 18}
WEI_MAX = (1 << 256) - 1
HEX_MAX_BYTES = 1 << 20
BLOCK_TAGS = ("latest", "pending", "safe", "finalized", "earliest")

_AMOUNT = re.compile(r"^(\d{1,78})(?:\.(\d{1,18}))?\s*([a-z]*)$")


class Amount(click.ParamType[int]):
    """An exact number of wei from "1.5" (coins), "3gwei" or "10wei"; floats never come into it."""

    name = "amount"

    def __init__(self, *, positive: bool = False) -> None:
        """`positive` refuses 0."""
        self.positive = positive

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = _AMOUNT.match(str(value).strip().lower())
        if match is None or match[3] not in UNIT_DECIMALS:
            self.fail(f"{value!r} is not an amount: write 1.5 (coins), 3gwei or 10wei", param, ctx)
        decimals = UNIT_DECIMALS[match[3]]
        fraction = match[2] or ""
        if len(fraction) > decimals:
            self.fail(f"{value!r} is finer than a wei", param, ctx)
        wei: int = int(match[1]) * 10**decimals + int(fraction.ljust(decimals, "0") or "0")
        if wei > WEI_MAX:
            self.fail(f"{value!r} is more than 256 bits hold", param, ctx)
        if self.positive and wei == 0:
            self.fail(f"{value!r} is nothing: an amount above 0 is needed", param, ctx)
        return wei


class Address(click.ParamType[bytes]):
    """20 bytes from 0x and 40 digits; digits of mixed case must carry the right checksum (EIP-55)."""

    name = "address"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        if isinstance(value, bytes):
            return value
        text = str(value)
        if not re.fullmatch(r"0x[0-9a-fA-F]{40}", text):
            self.fail(f"{text!r} is not an address: 0x and 40 hexadecimal digits are expected", param, ctx)
        address = bytes.fromhex(text[2:])
        digits = text[2:]
        if digits not in (digits.lower(), digits.upper()) and text != checksum(address):
            self.fail(f"{text} has a wrong checksum: a digit may be mistyped", param, ctx)
        return address


class BlockName(click.ParamType[str]):
    """A block as JSON-RPC names it: a number becomes a quantity; tags and hashes stay as they are."""

    name = "block"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if text in BLOCK_TAGS or re.fullmatch(r"0x[0-9a-fA-F]{64}", text):
            return text
        if not re.fullmatch(r"[0-9]{1,18}|0x[0-9a-fA-F]{1,15}", text):
            self.fail(f"{text[:80]!r} is not a block: a number, a hash, or one of {', '.join(BLOCK_TAGS)}", param, ctx)
        return hex(int(text, 16 if text.startswith("0x") else 10))


class Hex(click.ParamType[bytes]):
    """Bytes in hexadecimal; of exactly `size_bytes` where that is given."""

    name = "hex"

    def __init__(self, size_bytes: int | None = None) -> None:
        self.size_bytes = size_bytes

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        if isinstance(value, bytes):
            return value
        text = str(value)
        if not re.fullmatch(r"(0x)?([0-9a-fA-F]{2})*", text) or len(text) > 2 * HEX_MAX_BYTES:
            self.fail(f"{text[:80]!r} is not bytes: pairs of hexadecimal digits are expected", param, ctx)
        data = bytes.fromhex(text.removeprefix("0x"))
        if self.size_bytes is not None and len(data) != self.size_bytes:
            self.fail(f"{text[:80]} has {len(data)} bytes, not {self.size_bytes}", param, ctx)
        return data


def coins(wei: int) -> str:
    """Wei as coins without losing a digit, as `Amount` reads them again: "1000", "1.5", "0.000000001"."""
    whole, fraction = divmod(wei, 10**18)
    digits = f"{fraction:018d}".rstrip("0")
    return f"{whole}" + (f".{digits}" if digits else "")


def percent(ppm: int) -> str:
    """Parts per million as per cent without losing a digit: "5%", "0.0001%"."""
    whole, fraction = divmod(ppm, 10_000)
    digits = f"{fraction:04d}".rstrip("0")
    return f"{whole}{'.' if digits else ''}{digits}%"
