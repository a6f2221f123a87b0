"""A message's bytes to JSON values whose request ids can be answered exactly as they came.

The parser makes a float of every number that is no 64-bit integer, which loses digits. A message with such an id is
rare, so it is read a second time, its numbers left as text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

NO_ID: Final = b"null"


class NumberText(str):
    """A number as it stood in the message."""

    __slots__ = ()


def parse(body: bytes, items_max: int) -> object:
    """One request, or a list of them. The first `items_max` have ids for `encode_id`; more than that nobody answers.

    Raises ValueError."""
    message = orjson.loads(body)
    requests = message[:items_max] if type(message) is list else [message]
    lossy = [place for place, one in enumerate(requests) if type(one) is dict and type(one.get("id")) is float]
    if lossy:
        exact = _with_number_text(body)
        for place in lossy:
            original = exact[place] if type(message) is list else exact
            requests[place]["id"] = NumberText(original["id"])
    return message


def _with_number_text(body: bytes) -> Any:
    try:
        return json.loads(body, parse_int=str, parse_float=str)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def encode_id(message: Mapping[str, object]) -> bytes | None:
    """A request's id as JSON; None when absent. Raises ValueError for an object or array."""
    if "id" not in message:
        return None
    request_id = message["id"]
    if type(request_id) is NumberText:
        return request_id.encode()
    if type(request_id) in (dict, list):
        raise ValueError("an id is a string, a number or null")
    return orjson.dumps(request_id)


def id_or_null(message: object) -> bytes:
    """The id to answer `message` with, whatever it is."""
    if type(message) is not dict:
        return NO_ID
    try:
        return encode_id(message) or NO_ID
    except ValueError:
        return NO_ID


def first_id(messages: Sequence[object]) -> bytes:
    """The id of the first item that has one: a batch as a whole has none."""
    return next((one for one in map(id_or_null, messages) if one != NO_ID), NO_ID)
