"""JSON-RPC 2.0: what is answered to what. Over real sockets, with methods made for the purpose."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from tests.rpc.doubles import MemoryChain
from tests.rpc.harness import connected, post, request, run, serving
from zg_node.errors import Corrupt, InvalidRequest, InvalidTransaction, Reverted, Unavailable
from zg_node.rpc.api import Context, Method, Result
from zg_node.rpc.dispatch import Dispatcher
from zg_node.rpc.limits import Limits
from zg_node.rpc.params import Arguments


def fail(error: Exception) -> Method:
    def handler(context: Context, arguments: Arguments) -> bytes:
        raise error

    return Method(handler, 0)


def echo(context: Context, arguments: Arguments) -> bytes:
    return orjson.dumps(arguments.value(0))


def large(context: Context, arguments: Arguments) -> bytes:
    return b'"' + b"x" * 1000 + b'"'


async def _later() -> bytes:
    await asyncio.sleep(0)
    return b'"later"'


def later(context: Context, arguments: Arguments) -> Result:
    return _later()


def future(context: Context, arguments: Arguments) -> Result:
    promised: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(promised.set_result, b'"future"')
    return promised


METHODS: Mapping[str, Method] = {
    "t_echo": Method(echo, 1),
    "t_large": Method(large, 0),
    "t_later": Method(later, 0),
    "t_future": Method(future, 0),
    "t_reverts": fail(Reverted("execution reverted: no", b"\x08\xc3")),
    "t_invalid": fail(InvalidRequest("bad", -32602)),
    "t_transaction": fail(InvalidTransaction("nonce too low")),
    "t_unavailable": fail(Unavailable("missing trie node")),
    "t_corrupt": fail(Corrupt("secret path")),
    "t_bug": fail(ZeroDivisionError("secret detail")),
}


def ask(*bodies: bytes, limits: Limits | None = None) -> list[bytes]:
    """Each body's answer, over one connection."""

    async def main() -> list[bytes]:
        async with serving(MemoryChain(), limits=limits) as server, connected(server) as client:
            server.dispatcher = Dispatcher(METHODS, server.limits, server.budget)
            return [(await client.ask(post(body))).body for body in bodies]

    return run(main())


def one(body: bytes) -> Any:
    return orjson.loads(ask(body)[0])


def error_of(body: bytes) -> tuple[object, int, str]:
    answer = one(body)
    return answer["id"], answer["error"]["code"], answer["error"]["message"]


@pytest.mark.parametrize("request_id", [0, 1, -5, 2**63, "a", "", '\u00e9\u4e2d"\\', 1.5, None, True])
def test_an_id_comes_back_as_it_was_sent(request_id: object) -> None:
    answer = one(request("t_echo", 7, request_id=request_id))
    assert answer == {"jsonrpc": "2.0", "id": request_id, "result": 7}


@pytest.mark.parametrize(
    "request_id",
    [
        str(2**63), str(2**64), str(-(2**63) - 1), str(10**100 + 1), "1.50", "-0.0", "1E2", "0.1000000000000000055",
        "1e-400", "null", "true", '"18446744073709551617"', '"\u00e9"', '""',
    ],
)  # fmt: skip
def test_an_id_keeps_every_digit(request_id: str) -> None:
    body = b'{"jsonrpc":"2.0","method":"t_echo","params":[{"id":3.5}],"id":%s}' % request_id.encode()
    answer = b'{"jsonrpc":"2.0","id":%s,"result":{"id":3.5}}' % request_id.encode()
    single, batch = ask(body, b"[1," + body + b"]")
    assert single == answer
    assert batch.endswith(b"," + answer + b"]")


def test_ids_that_are_one_float_are_told_apart() -> None:
    ids = [b"%d" % (2**70 + offset) for offset in range(3)]
    call = b'{"jsonrpc":"2.0","id":%s,"method":"eth_sendRawTransaction","params":["0x"]}'
    (answer,) = ask(b"[" + b",".join(call % one for one in ids) + b"]")
    assert [one for one in ids if b'"id":%s,' % one in answer] == ids
    (refused,) = ask(b"[" + b",".join([b"{}", *(call % one for one in ids)]) + b"]", limits=Limits(batch_items_max=2))
    assert b'"id":%s,' % ids[0] in refused


def test_an_id_in_a_message_that_nests_too_deeply_is_a_parse_error() -> None:
    nested = b"[" * 1000 + b"]" * 1000
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)  # Python's own; a library may have raised it
    try:
        answer = error_of(b'{"jsonrpc":"2.0","id":1.5,"method":"t_echo","params":%s}' % nested)
    finally:
        sys.setrecursionlimit(limit)
    assert answer == (None, -32700, "parse error")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"nonsense", b"[1,", b"\xff\xfe", b'{"jsonrpc":"2.0"', b"[" * 5000, b'{"a":' * 5000, b"NaN", b"{}{}",
        b'{"id": "\xff"}',
    ],
)  # fmt: skip
def test_what_is_not_json_is_a_parse_error(body: bytes) -> None:
    assert error_of(body) == (None, -32700, "parse error")


@pytest.mark.parametrize(
    ("body", "request_id"),
    [
        (b"{}", None),
        (b"1", None),
        (b'"text"', None),
        (b"null", None),
        (b'{"jsonrpc":"2.0","id":1}', 1),
        (b'{"jsonrpc":"2.0","id":1,"method":5}', 1),
        (b'{"jsonrpc":"2.0","id":1,"method":""}', 1),
        (b'{"jsonrpc":"1.0","id":"x","method":"t_echo"}', "x"),
        (b'{"id":1,"method":"t_echo"}', 1),
        (b'{"jsonrpc":"2.0","id":{},"method":"t_echo"}', None),
        (b'{"jsonrpc":"2.0","id":[1],"method":"t_echo"}', None),
    ],
)
def test_what_is_no_request_is_invalid(body: bytes, request_id: object) -> None:
    assert error_of(body) == (request_id, -32600, "invalid request")


def test_a_notification_is_run_and_not_answered() -> None:
    notification = b'{"jsonrpc":"2.0","method":"t_echo","params":[1]}'
    failing = b'{"jsonrpc":"2.0","method":"t_bug"}'
    slow = b'{"jsonrpc":"2.0","method":"t_later"}'
    assert ask(notification, failing, slow, b"[" + notification + b"]") == [b"", b"", b"", b""]


def test_parameters_may_be_absent_or_null_but_not_an_object() -> None:
    for params in (b"", b',"params":null', b',"params":[]'):
        assert one(b'{"jsonrpc":"2.0","id":1,"method":"t_later"' + params + b"}")["result"] == "later"
    assert error_of(b'{"jsonrpc":"2.0","id":1,"method":"t_later","params":{}}') == (1, -32602, "non-array args")


def test_too_many_parameters_are_refused() -> None:
    assert error_of(request("t_echo", 1, 2)) == (1, -32602, "too many arguments, want at most 1")


def test_an_unknown_method_is_named() -> None:
    assert error_of(request("t_nothing")) == (1, -32601, "the method t_nothing does not exist/is not available")


@pytest.mark.parametrize("name", ["evm_mine", "anvil_setBalance", "hardhat_impersonateAccount"])
def test_methods_of_test_networks_say_why_they_are_missing(name: str) -> None:
    _, code, message = error_of(request(name))
    assert code == -32601
    assert "real chain with BFT finality" in message


def test_errors_of_the_tree_keep_their_codes() -> None:
    assert one(request("t_reverts"))["error"] == {"code": 3, "message": "execution reverted: no", "data": "0x08c3"}
    assert error_of(request("t_invalid")) == (1, -32602, "bad")
    assert error_of(request("t_transaction")) == (1, -32000, "nonce too low")
    assert error_of(request("t_unavailable")) == (1, -32000, "missing trie node")


@pytest.mark.parametrize("name", ["t_bug", "t_corrupt"])
def test_our_own_faults_are_logged_and_not_told(name: str, caplog: pytest.LogCaptureFixture) -> None:
    answers = ask(request(name), request("t_echo", 1))
    assert orjson.loads(answers[0])["error"] == {"code": -32603, "message": "internal error"}
    assert orjson.loads(answers[1])["result"] == 1
    assert f"method={name}" in caplog.text


def test_a_batch_is_answered_in_its_order() -> None:
    items = [
        request("t_later", request_id=1),
        request("t_future", request_id=2),
        b'{"jsonrpc":"2.0","method":"t_echo","params":[9]}',
        request("t_echo", 3, request_id="three"),
        b"7",
        request("t_bug", request_id=None),
        request("t_future", request_id=6),
    ]
    answers = one(b"[" + b",".join(items) + b"]")
    assert [answer["id"] for answer in answers] == [1, 2, "three", None, None, 6]
    assert [answer.get("result", answer.get("error", {}).get("code")) for answer in answers] == [
        "later", "future", 3, -32600, -32603, "future",
    ]  # fmt: skip


def test_an_empty_batch_is_invalid() -> None:
    assert error_of(b"[]") == (None, -32600, "empty batch")


def test_a_batch_too_long_is_refused_under_its_first_id() -> None:
    body = b"[" + b",".join(request("t_echo", 1, request_id=i) for i in range(5, 8)) + b"]"
    (answer,) = orjson.loads(ask(body, limits=Limits(batch_items_max=2))[0])
    assert answer == {"jsonrpc": "2.0", "id": 5, "error": {"code": -32600, "message": "batch too large"}}


def test_a_message_of_too_many_values_is_refused_before_it_is_parsed() -> None:
    limits = Limits(message_values_max=50_000)
    for body in (b"[" + b"0," * 50_000 + b"0]", b"[" + b"[]," * 30_000 + b"[]]", b'{"a":' * 51_000):
        refused = orjson.loads(ask(body, limits=limits)[0])
        assert refused["error"] == {"code": -32600, "message": "too many values in one message"}
    long_text = orjson.dumps("x" * 1_000_000)
    answer = ask(b'{"jsonrpc":"2.0","id":1,"method":"t_echo","params":[' + long_text + b"]}", limits=limits)[0]
    assert answer.endswith(long_text + b"}")


def test_a_batch_whose_answer_grows_too_large_is_cut() -> None:
    body = b"[" + b",".join(request("t_large", request_id=i) for i in range(5)) + b"]"
    answer = ask(body, limits=Limits(batch_response_max_bytes=2500))[0]
    codes = [item.get("error", {}).get("code") for item in orjson.loads(answer)]
    assert codes == [None, None, -32003, -32003, -32003]
    assert len(answer) < 3000


def test_answers_of_futures_count_against_the_batchs_size() -> None:
    body = b"[" + b",".join(request("t_future", request_id=i) for i in range(5)) + b"]"
    codes = [
        item.get("error", {}).get("code")
        for item in orjson.loads(ask(body, limits=Limits(batch_response_max_bytes=100))[0])
    ]
    assert codes == [None, None, -32003, -32003, -32003]
