"""Calls as kong-pdk makes them: every one that an event may yield has its arguments and its answer."""

from typing import Any

import pytest

from outrider.consumer import Consumer
from outrider_kong import calls
from outrider_kong.calls import Call
from outrider_kong.errors import ProtocolError
from outrider_kong.pdk.values import answer, arguments
from outrider_kong.proto import pluginsocket_pb2 as pb

KNOWN = pb.Consumer(id=b"4711", username=b"alice")
ALICE = pb.Consumer(id=b"4711", username=b"alice", tags=[b"a", b"b"])


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (calls.GET_HEADERS, [1000]),
        (calls.GET_METHOD, []),
        (calls.GET_TARGET, ["request_uri"]),
        (calls.get_state(":p"), ["outrider:p"]),
        (calls.GET_RESPONSE_LENGTH, ["content-length"]),
        (calls.set_state("{}", ":p"), ["outrider:p", "{}"]),
        (calls.set_reply_headers([("x-a", ["1"])]), ["outrider_reply", {"x-a": ["1"]}]),
        (calls.set_request_headers([("x-a", ["1"]), ("x-b", ["2", "3"])]), [{"x-a": "1", "x-b": ["2", "3"]}]),
        (calls.clear_request_header("x-a"), ["x-a"]),
        (calls.set_query("a=%20"), ["a=%20"]),
        (calls.set_request_body(b"caf\xe9"), [b"caf\xe9"]),
        (calls.set_response_headers([("x-a", ["1"])]), [{"x-a": "1"}]),
        (calls.clear_response_header("x-a"), ["x-a"]),
        (calls.set_status(404), [404]),
        (calls.exit_with(401, b"no", [("x-a", ["1", "2"])]), [401, b"no", {"x-a": ["1", "2"]}]),
        (calls.load_consumer(Consumer("4711", "alice")), ["alice", True]),
        (calls.authenticate(ALICE, None), [{"id": "4711", "username": "alice", "tags": ["a", "b"]}]),
        (
            calls.authenticate(pb.Consumer(id=b"4711"), "key"),
            [{"id": "4711"}, {"id": "key", "consumer_id": "4711"}],
        ),
        (calls.authenticate(None, "key"), [None, {"id": "key"}]),
    ],
    ids=lambda value: value.method if isinstance(value, Call) else None,
)
def test_a_call_has_the_arguments_that_its_frames_say(call: Call, expected: list[Any]) -> None:
    assert arguments(call) == expected


def test_a_value_that_is_no_text_goes_as_bytes() -> None:
    assert arguments(calls.set_request_headers([("x-a", ["caf\udce9"])])) == [{"x-a": b"caf\xe9"}]


@pytest.mark.parametrize(
    ("call", "given", "read"),
    [
        (calls.GET_RESPONSE_HEADERS, {"x-a": ["1", "2"], "x-b": "3"}, {"x-a": ["1", "2"], "x-b": ["3"]}),
        (calls.GET_RESPONSE_HEADERS, None, {}),
        (calls.GET_METHOD, "PUT", "PUT"),
        (calls.GET_TARGET, "/a?b", "/a?b"),
        (calls.GET_BODY, b"caf\xe9", b"caf\xe9"),
        (calls.GET_BODY, "text", b"text"),
        (calls.GET_ROUTE, {"id": "1", "name": "orders", "tags": ["a"]}, ("orders", ("a",))),
        (calls.GET_ROUTE, {"id": "1"}, ("1", ())),
        (calls.GET_SERVICE, {"id": "1", "name": "s"}, "s"),
        (calls.GET_STATUS, 204, 204),
        (calls.GET_RESPONSE_HEADERS, {"x-a": ["1"]}, {"x-a": ["1"]}),
        (calls.GET_RESPONSE_BODY, b"body", b"body"),
        (calls.get_state(":p"), "{}", "{}"),
        (calls.get_state(":p"), None, None),
        (calls.set_status(404), None, None),
        (calls.load_consumer(Consumer("4711", "alice")), {"id": "4711", "username": "alice"}, KNOWN),
    ],
)
def test_an_answer_is_read_as_over_protobuf(call: Call, given: Any, read: Any) -> None:
    assert answer(call, given) == read


@pytest.mark.parametrize(
    ("call", "given"),
    [
        (calls.GET_HEADERS, "a text"),
        (calls.GET_HEADERS, {"x-a": 1}),
        (calls.GET_METHOD, {"a": "map"}),
        (calls.GET_STATUS, "a text"),
        (calls.GET_STATUS, 1 << 40),
        (calls.GET_ROUTE, "a text"),
        (calls.get_state(":p"), 7),
    ],
)
def test_an_answer_of_another_kind_is_refused(call: Call, given: Any) -> None:
    with pytest.raises(ProtocolError, match=call.method):
        answer(call, given)
