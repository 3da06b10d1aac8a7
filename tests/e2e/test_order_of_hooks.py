"""In which order hooks run, and that every request that reached its plugins ends in `on_log` once."""

import json
import socket
import uuid
from typing import Any

import pytest

from harness import http1
from harness.outrider import Outrider
from harness.process import until
from harness.upstream import Answer, Upstream

OUTER, MIDDLE, INNER = "Outer", "Middle", "Inner"
EXT_PROC = pytest.mark.parametrize("protocol", ["ext_proc"])
RESPONSES = pytest.mark.parametrize("protocol", ["ext_proc", "kong"])  # ext_authz sees none


@pytest.fixture
def case() -> str:
    """A name for the request of one test."""
    return uuid.uuid4().hex


def endings(gateway: Outrider, case: str) -> list[list[Any]]:
    """What the plugins logged about a request: plugin, ending, status, and who replied or failed."""
    gateway.idle()
    log = gateway.folder / "ended"
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [row[1:] for row in rows if row[0] == case]


def test_request_hooks_run_by_falling_priority(gateway: Outrider, upstream: Upstream) -> None:
    assert gateway.request("/ordered").status == 200
    assert ", ".join(upstream.request.all("x-order")).split(", ") == [OUTER, MIDDLE, INNER]


@RESPONSES
def test_response_hooks_run_in_reverse(gateway: Outrider) -> None:
    assert gateway.request("/ordered").all("x-order") == [INNER, MIDDLE, OUTER]


def test_a_reply_runs_the_response_hooks_of_the_plugins_before_it_and_no_others(
    gateway: Outrider, upstream: Upstream
) -> None:
    response = gateway.request("/ordered", ("x-reply", "418"))
    assert (response.status, response.body) == (418, b"from middle")
    assert response.all("x-order") == ["reply", OUTER]
    assert not upstream.requests


@RESPONSES
def test_a_reply_from_a_response_hook_takes_the_place_of_upstreams_answer(
    gateway: Outrider, upstream: Upstream
) -> None:
    response = gateway.request("/ordered", ("x-response-reply", "418"))
    assert (response.status, response.body) == (418, b"from middle")
    assert response.all("x-order") == ["reply", OUTER]
    assert len(upstream.requests) == 1


@RESPONSES
def test_a_passed_request_is_logged_once_by_each_plugin(gateway: Outrider, case: str) -> None:
    assert gateway.request("/ordered", ("x-case", case)).status == 200
    assert endings(gateway, case) == [[name, "passed", 200, None] for name in (OUTER, MIDDLE, INNER)]


@RESPONSES
def test_upstreams_own_error_is_a_passed_request(gateway: Outrider, upstream: Upstream, case: str) -> None:
    upstream.answer = Answer(503)
    assert gateway.request("/ordered", ("x-case", case)).status == 503
    assert endings(gateway, case) == [[name, "passed", 503, None] for name in (OUTER, MIDDLE, INNER)]


@RESPONSES
def test_a_reply_is_logged_once_by_those_before_it_and_by_the_plugin_itself(gateway: Outrider, case: str) -> None:
    assert gateway.request("/ordered", ("x-case", case), ("x-reply", "418")).status == 418
    assert endings(gateway, case) == [[name, "replied", 418, "middle"] for name in (OUTER, MIDDLE)]


@RESPONSES
def test_a_fault_is_logged_once_by_the_plugins_before_it(gateway: Outrider, upstream: Upstream, case: str) -> None:
    assert gateway.request("/ordered", ("x-case", case), ("x-fail", "on_request")).status == 500
    assert endings(gateway, case) == [[name, "fault", 500, "inner"] for name in (OUTER, MIDDLE)]
    assert not upstream.requests


@RESPONSES
def test_a_fault_in_a_response_hook_is_logged_once_by_each_plugin(gateway: Outrider, case: str) -> None:
    response = gateway.request("/ordered", ("x-case", case), ("x-fail", "on_response"))
    assert response.status == 500
    assert response.all("x-order") == [MIDDLE, OUTER]
    assert endings(gateway, case) == [[name, "fault", 500, "inner"] for name in (OUTER, MIDDLE, INNER)]


@EXT_PROC
def test_a_client_that_leaves_while_upstream_works_is_logged_once_as_aborted(
    gateway: Outrider, upstream: Upstream, case: str
) -> None:
    upstream.gate.clear()
    leave_after(gateway, f"GET /ordered HTTP/1.1\r\nhost: a\r\nx-case: {case}\r\n\r\n", upstream)
    rows = until(lambda: endings(gateway, case))
    upstream.gate.set()
    assert rows == [[name, "aborted", None, None] for name in (OUTER, MIDDLE, INNER)]


@EXT_PROC
def test_a_client_that_leaves_in_the_middle_of_its_body_is_logged_once_as_aborted(
    gateway: Outrider, case: str
) -> None:
    head = f"POST /ordered HTTP/1.1\r\nhost: a\r\nx-case: {case}\r\ncontent-length: 100\r\n\r\nhalf"
    with http1.connect(gateway.port) as connection:
        connection.sendall(head.encode())
        until(lambda: gateway.metric("outrider_requests_in_flight") == 1)
    rows = until(lambda: endings(gateway, case))
    assert rows == [[name, "aborted", None, None] for name in (OUTER, MIDDLE, INNER)]


def leave_after(gateway: Outrider, request: str, upstream: Upstream) -> None:
    """Sends a request and hangs up hard as soon as it has reached upstream."""
    with http1.connect(gateway.port) as connection:
        connection.sendall(request.encode())
        until(lambda: upstream.requests)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
