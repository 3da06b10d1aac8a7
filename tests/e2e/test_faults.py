"""What a plugin that fails costs: its own request, and nothing else."""

import json
import time

import pytest

from harness.outrider import Outrider
from harness.upstream import Upstream

RESPONSES = pytest.mark.parametrize("protocol", ["ext_proc", "kong"])  # ext_authz sees none


def assert_refused(gateway: Outrider, script: str, status: int, route: str = "/script") -> None:
    response = gateway.request(route, ("x-script", script), ("x-response-script", script))
    assert response.status == status
    assert response.get("content-type") == "application/json"
    assert set(json.loads(response.body)) == {"message", "request_id"}
    assert b"secret" not in response.body


@pytest.mark.parametrize(
    "script",
    [
        "raise",
        "exit",
        "wait 0.01; raise",
        "set x-a one; query a=1; raise",
        "return int",
        "return text",
        "return bytes",
        "return true",
        "return list",
        "wait 0.01; return int",
        "reply 101",
        "reply 99",
        "reply 600",
        "reply-text no bytes",
    ],
)
def test_a_hook_that_fails_refuses_its_request_with_500(gateway: Outrider, upstream: Upstream, script: str) -> None:
    assert_refused(gateway, script, 500)
    assert not upstream.requests
    assert gateway.request("/script").status == 200


@pytest.mark.parametrize(
    "name",
    [
        "content-length",
        "transfer-encoding",
        "host",
        "connection",
        "keep-alive",
        "upgrade",
        "te",
        "trailer",
        ":path",
        ":authority",
        "x-envoy-retry-on",
        "Content-Length",
        "bad(name",
    ],
)
@pytest.mark.parametrize("verb", ["set", "append"])
def test_a_plugin_can_not_set_what_belongs_to_the_gateway(
    gateway: Outrider, upstream: Upstream, verb: str, name: str
) -> None:
    assert_refused(gateway, f"{verb} {name} 3", 500)
    assert not upstream.requests


def test_a_plugin_can_not_take_the_host_away(gateway: Outrider, upstream: Upstream) -> None:
    assert_refused(gateway, "remove host", 500)
    assert not upstream.requests


@pytest.mark.parametrize("query", ["a=1#b", "a= b", "a=é"])
def test_a_query_that_is_not_encoded_is_a_fault(gateway: Outrider, upstream: Upstream, query: str) -> None:
    assert_refused(gateway, f"query {query}", 500)
    assert not upstream.requests


@RESPONSES
@pytest.mark.parametrize("script", ["raise", "exit", "return int", "set content-length 3", "status 99"])
def test_a_response_hook_that_fails_hides_upstreams_answer(
    gateway: Outrider, upstream: Upstream, script: str
) -> None:
    assert_refused(gateway, script, 500, "/replies")
    assert len(upstream.requests) == 1


def test_an_async_hook_that_waits_is_waited_for(gateway: Outrider, upstream: Upstream) -> None:
    assert gateway.request("/script", ("x-script", "wait 0.1; set x-a waited")).status == 200
    assert upstream.request.get("x-a") == "waited"


def test_an_async_hook_over_its_time_refuses_with_503(gateway: Outrider, upstream: Upstream) -> None:
    began = time.monotonic()
    assert_refused(gateway, "wait 30", 503)
    assert time.monotonic() - began < 15
    assert not upstream.requests


@RESPONSES
def test_an_async_response_hook_over_its_time_refuses_with_503(gateway: Outrider) -> None:
    assert_refused(gateway, "wait 30", 503, "/replies")


@pytest.mark.parametrize("ending", ["raise", "return int", "set host a"])
def test_a_tolerated_fault_leaves_no_trace_of_what_the_hook_did(
    gateway: Outrider, upstream: Upstream, ending: str
) -> None:
    script = f"set x-a one; set x-kept two; remove x-given; query a=1; {ending}"
    headers = [("x-script", script), ("x-kept", "as it was"), ("x-given", "there"), ("x-api-key", "alice-key")]
    assert gateway.request("/tolerant?b=2", *headers).status == 200
    seen = upstream.request
    assert seen.path == "/tolerant?b=2"
    assert (seen.get("x-a"), seen.get("x-kept"), seen.get("x-given")) == (None, "as it was", "there")
    assert seen.get("x-consumer-username") == "alice"


def test_a_tolerated_hook_over_its_time_lets_the_request_on(gateway: Outrider, upstream: Upstream) -> None:
    response = gateway.request("/tolerant", ("x-script", "wait 30"), ("x-api-key", "alice-key"))
    assert response.status == 200
    assert len(upstream.requests) == 1


def test_a_tolerated_fault_does_not_open_the_plugins_behind_it(gateway: Outrider, upstream: Upstream) -> None:
    assert gateway.request("/tolerant", ("x-script", "raise")).status == 401
    assert not upstream.requests


def test_faults_are_counted(gateway: Outrider) -> None:
    def faults() -> float:
        return gateway.metric("outrider_decisions_total", plugin="script", route="script", outcome="fault")

    before = faults()
    assert_refused(gateway, "raise", 500)
    gateway.idle()
    assert faults() == before + 1
