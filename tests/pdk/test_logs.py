"""Log lines: whose request and which trace they are about."""

import json
import logging
from collections.abc import Iterator

import pytest

from outrider import Request
from outrider.logs import JsonFormatter, TextFormatter, current_request

TRACE = "0af7651916cd43dd8448eb211c80319c"
RECORD = logging.LogRecord("outrider.x", logging.INFO, "x.py", 1, "hello", None, None)


@pytest.fixture(autouse=True)
def no_request() -> Iterator[None]:
    token = current_request.set(None)
    yield
    current_request.reset(token)


@pytest.fixture
def request_at_hand(no_request: None) -> Request:
    request = Request(headers={"x-request-id": "id-1"})
    current_request.set(request)
    return request


def test_a_line_carries_request_and_trace_in_both_forms(request_at_hand: Request) -> None:
    request_at_hand.trace_id = TRACE
    assert TextFormatter().format(RECORD).endswith(f"outrider.x: hello request_id=id-1 trace_id={TRACE}")
    fields = json.loads(JsonFormatter().format(RECORD))
    assert (fields["request_id"], fields["trace_id"]) == ("id-1", TRACE)


@pytest.mark.usefixtures("request_at_hand")
def test_without_a_trace_a_line_says_nothing_of_one() -> None:
    assert TextFormatter().format(RECORD).endswith("hello request_id=id-1")
    assert "trace_id" not in json.loads(JsonFormatter().format(RECORD))


def test_outside_of_a_request_a_line_names_none() -> None:
    assert TextFormatter().format(RECORD).endswith("outrider.x: hello")
    assert json.loads(JsonFormatter().format(RECORD)).keys() == {"time", "level", "logger", "message"}
