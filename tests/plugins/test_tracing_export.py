"""Spans on the wire, over both protocols, to an endpoint made from OpenTelemetry's own classes."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from harness.collector import Collector, OtlpProtocol
from harness.outrider import free_port
from outrider import Request, Route
from outrider.testing import Runner, run
from outrider_plugins.propagation import Trace
from outrider_plugins.propagation.w3c import read_traceparent
from outrider_plugins.tracing import Tracing

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SERVER = 2  # opentelemetry.proto.trace.v1.Span.SpanKind


@pytest.fixture(params=["grpc", "http"])
def collector(request: pytest.FixtureRequest) -> Iterator[Collector]:
    with Collector(request.param) as collector:
        yield collector


def tracing(collector: Collector, **more: Any) -> Tracing:
    config: dict[str, Any] = {"endpoint": collector.endpoint, "protocol": collector.protocol, **more}
    return Tracing(**config)


def child() -> Request:
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "a=1,b=2"}
    return Request("GET", "/orders", headers=headers, route=Route("orders"))


def test_a_span_arrives_with_its_place_in_the_trace(collector: Collector) -> None:
    request = child()
    run(tracing(collector), request)
    [span] = collector.spans
    sent = read_traceparent(request.headers.get_all("traceparent"))
    assert sent == Trace(TRACE, span.span_id, sampled=True)
    assert (span.trace_id, span.parent_id, span.tracestate) == (TRACE, SPAN, "a=1,b=2")
    assert (span.name, span.kind, span.is_error) == ("GET orders", SERVER, False)
    assert span.attributes["http.response.status_code"] == 200
    assert 0 <= span.end - span.start < 60e9


def test_a_slow_hook_arrives_as_a_child_of_the_requests_span(collector: Collector) -> None:
    run(tracing(collector, slow_hooks=0), child())
    span, hook = collector.spans
    assert (hook.name, hook.trace_id, hook.parent_id) == ("tracing on_request", TRACE, span.span_id)
    assert hook.span_id not in ("", span.span_id)
    assert hook.attributes == {"outrider.plugin": "tracing", "outrider.hook": "on_request"}
    assert hook.start <= hook.end


def test_the_first_span_of_a_trace_has_no_parent(collector: Collector) -> None:
    request = Request()
    run(tracing(collector), request)
    [span] = collector.spans
    assert (span.trace_id, span.parent_id, span.tracestate) == (request.trace_id, "", "")


def test_the_resource_is_the_gateway(collector: Collector) -> None:
    run(tracing(collector, service_name="edge"), Request())
    resource = collector.spans[0].resource
    assert resource["service.name"] == "edge"
    assert resource["service.version"]
    assert resource["telemetry.sdk.name"] == "opentelemetry"


def test_the_collector_gets_the_headers_of_the_configuration(collector: Collector) -> None:
    run(tracing(collector, headers={"X-Key": SecretStr("hunter2")}), Request())
    assert collector.spans
    assert {name.lower(): value for name, value in collector.sent_headers.items()}["x-key"] == "hunter2"


@pytest.mark.parametrize(("path", "asked"), [("", "/v1/traces"), ("/", "/v1/traces"), ("/own/place", "/own/place")])
def test_over_http_traces_have_their_usual_path_unless_another_is_given(path: str, asked: str) -> None:
    with Collector("http") as collector:
        run(tracing(collector, endpoint=collector.endpoint + path), Request())
        assert collector.paths == [asked]


def test_a_collector_that_refuses_is_one_line_in_the_log_without_a_credential(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.is_broken = True
    with caplog.at_level(logging.INFO):
        run(tracing(collector, headers={"x-key": SecretStr("hunter2")}), Request())
    [line] = [record.getMessage() for record in caplog.records]
    where = collector.endpoint.removeprefix("http://")
    assert line.startswith(f"the {collector.protocol} collector at {where} takes no spans")


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_collector_that_is_not_there_loses_spans_and_no_request(
    protocol: OtlpProtocol, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> float:
        plugin = Tracing(endpoint=f"http://127.0.0.1:{free_port()}", protocol=protocol, queue=3)
        async with Runner([plugin]) as runner:
            for _ in range(10):
                assert (await runner.send(Request())).status == 200
        help_ = "Spans that did not reach the collector."
        reasons = ("queue", "collector")
        metrics = runner.runtime.metrics
        return sum(metrics.counter("outrider_spans_dropped_total", help_, reason=reason).value for reason in reasons)

    with caplog.at_level(logging.INFO):
        assert asyncio.run(test()) == 10
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_at_the_level_debug_the_exporters_tell_why(collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("opentelemetry.exporter").setLevel(logging.NOTSET)
    collector.is_broken = True
    with caplog.at_level(logging.DEBUG):
        run(tracing(collector, headers={"x-key": SecretStr("hunter2")}), Request())
    assert any(record.name.startswith("opentelemetry.exporter") for record in caplog.records)
    assert "hunter2" not in caplog.text
