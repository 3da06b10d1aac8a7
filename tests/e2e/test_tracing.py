"""Traces through a whole gateway: what upstream, the collector, the log and the page for operators see of them."""

import json
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from harness.collector import Collector, Exported, OtlpProtocol
from harness.http1 import Message
from harness.outrider import Config, Outrider, free_port, plugin, service
from harness.process import until
from harness.upstream import Answer, Upstream

Start = Callable[..., Outrider]
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = ("traceparent", f"00-{TRACE}-{SPAN}-01")


@pytest.fixture
def start(start: Start) -> Start:
    """One worker is enough here."""
    return partial(start, workers=1)


@pytest.fixture(scope="module", params=["grpc", "http"])
def shared_collector(request: pytest.FixtureRequest) -> Iterator[Collector]:
    with Collector(request.param) as collector:
        yield collector


@pytest.fixture
def collector(shared_collector: Collector) -> Collector:
    """Every test waits for all its spans, so none comes late."""
    shared_collector.spans.clear()
    return shared_collector


@pytest.fixture
def tracing(share: Start, upstream: Upstream, collector: Collector) -> Outrider:
    """A gateway that all tests here share: /traced, and /keyed for those who have a key."""
    keyed = traced(upstream, collector, plugin("key-auth"), name="keyed")
    return share(traced(upstream, collector), keyed, workers=1)


@pytest.fixture
def passing(share: Start, upstream: Upstream) -> Outrider:
    """One that sends its spans nowhere."""
    formats = plugin("tracing", propagate=["b3", "b3multi", "w3c", "baggage"])
    return share(
        service("traced", upstream.port, plugin("tracing"), plugin("script")),
        service("zipkin", upstream.port, formats),
        service("edge", upstream.port, plugin("tracing", trust=False)),
        workers=1,
    )


def traced(upstream: Upstream, collector: Collector, *plugins: Config, name: str = "traced") -> Config:
    tracing = plugin("tracing", endpoint=collector.endpoint, protocol=collector.protocol)
    return service(name, upstream.port, tracing, *plugins)


def arrived(collector: Collector) -> Exported:
    [span] = until(lambda: collector.spans)
    return span


def sent_on(upstream: Upstream) -> list[str]:
    """The parts of the `traceparent` that upstream got."""
    return (upstream.request.get("traceparent") or "").split("-")


def test_a_request_is_a_span_between_downstream_and_upstream(
    tracing: Outrider, upstream: Upstream, collector: Collector
) -> None:
    response = tracing.request("/traced?key=hunter2", SAMPLED, ("tracestate", "a=1"), ("user-agent", "curl/8"))
    span = arrived(collector)
    assert response.status == 200
    assert sent_on(upstream) == ["00", TRACE, span.span_id, "01"]
    assert upstream.request.get("tracestate") == "a=1"
    assert (span.trace_id, span.parent_id, span.tracestate) == (TRACE, SPAN, "a=1")
    assert (span.name, span.is_error) == ("GET traced", False)
    assert 0 < span.end - span.start < 60e9
    assert span.attributes == {
        "outrider.request_id": span.attributes["outrider.request_id"],
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "url.path": "/traced",
        "server.address": "outrider.test",
        "client.address": "127.0.0.1",
        "user_agent.original": "curl/8",
        "outrider.route": "traced",
        "outrider.service": "traced",
        "outrider.ending": "passed",
    }


def test_a_refusal_by_a_later_plugin_is_a_span_without_a_consumer(tracing: Outrider, collector: Collector) -> None:
    assert tracing.request("/keyed", SAMPLED).status == 401
    span = arrived(collector)
    assert span.attributes["http.response.status_code"] == 401
    assert (span.attributes["outrider.ending"], span.attributes["outrider.plugin"]) == ("replied", "key-auth")
    assert "enduser.id" not in span.attributes
    assert not span.is_error


def test_a_span_names_its_consumer_and_upstreams_status(
    tracing: Outrider, upstream: Upstream, collector: Collector
) -> None:
    upstream.answer = Answer(503)
    assert tracing.request("/keyed", ("x-api-key", "alice-key")).status == 503
    span = arrived(collector)
    assert (span.attributes["enduser.id"], span.attributes["http.response.status_code"]) == ("alice", 503)
    assert span.attributes["error.type"] == "503"
    assert span.is_error
    assert span.parent_id == ""
    assert sent_on(upstream) == ["00", span.trace_id, span.span_id, "01"]


def test_a_trace_that_downstream_does_not_record_is_not_recorded_here(
    tracing: Outrider, upstream: Upstream, collector: Collector
) -> None:
    unsampled = f"00-{'1' * 32}-{SPAN}-00"
    tracing.request("/traced", ("traceparent", unsampled))
    assert upstream.request.get("traceparent") == unsampled
    tracing.request("/traced", SAMPLED)
    assert arrived(collector).trace_id == TRACE


def test_the_log_names_request_and_trace(passing: Outrider) -> None:
    response = passing.request("/traced", SAMPLED, ("x-script", "raise"))
    [record] = until(lambda: [record for record in passing.records if record.get("trace_id") == TRACE])
    assert record["request_id"] == json.loads(response.body)["request_id"]
    assert "plugin script: on_request failed" in record["message"]


def test_without_an_endpoint_the_trace_only_passes_through(passing: Outrider, upstream: Upstream) -> None:
    passing.request("/traced", SAMPLED)
    assert sent_on(upstream) == ["00", TRACE, SPAN, "01"]
    upstream.reset()
    passing.request("/traced", ("traceparent", f"00-{TRACE}-{SPAN}-01-x"), ("tracestate", "a=1"))
    version, trace, span, flags = sent_on(upstream)
    assert (version, len(trace), len(span), flags) == ("00", 32, 16, "01")
    assert trace != TRACE
    assert upstream.request.get("tracestate") is None


def test_two_traceparents_are_one_new_trace(passing: Outrider, upstream: Upstream) -> None:
    passing.request("/traced", SAMPLED, SAMPLED)
    assert TRACE not in sent_on(upstream)


def test_behind_ext_authz_a_span_ends_when_the_request_goes_on(start: Start, upstream: Upstream) -> None:
    with Collector("grpc") as collector:
        gateway = start(traced(upstream, collector), protocol="ext_authz")
        gateway.request("/traced", SAMPLED)
        span = arrived(collector)
    assert sent_on(upstream) == ["00", TRACE, span.span_id, "01"]
    assert "http.response.status_code" not in span.attributes


def test_the_last_spans_are_sent_when_the_gateway_stops(
    start: Start, upstream: Upstream, collector: Collector
) -> None:
    gateway = start(traced(upstream, collector))
    for _ in range(20):
        gateway.request("/traced")
    gateway.idle()
    assert gateway.stop() == 0
    assert len(collector.spans) == 20
    assert gateway.left() == []


def answers(gateway: Outrider, count: int) -> list[Message]:
    return [gateway.request("/traced") for _ in range(count)]


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_collector_that_is_not_there_costs_spans_and_no_request(
    start: Start, upstream: Upstream, protocol: OtlpProtocol
) -> None:
    tracing = plugin("tracing", endpoint=f"http://127.0.0.1:{free_port()}", protocol=protocol, queue=2)
    gateway = start(service("traced", upstream.port, tracing))
    assert {answer.status for answer in answers(gateway, 20)} == {200}
    until(lambda: gateway.metric("outrider_spans_dropped_total", reason="queue") >= 1)
    until(lambda: gateway.metric("outrider_spans_dropped_total") == 20)
    lines = [record for record in gateway.records if record["logger"] == "outrider.plugin.tracing"]
    assert [line["level"] for line in lines] == ["warning"]
    assert not any(record["logger"].startswith("opentelemetry") for record in gateway.records)
    assert gateway.stop() == 0


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_collector_that_hangs_holds_neither_a_request_nor_the_end_up(
    start: Start, upstream: Upstream, protocol: OtlpProtocol
) -> None:
    with Collector(protocol) as collector:
        gateway = start(traced(upstream, collector))
        collector.gate.clear()
        assert {answer.status for answer in answers(gateway, 20)} == {200}
        assert gateway.stop() == 0
    assert gateway.left() == []


def test_spans_that_arrived_are_counted(tracing: Outrider, collector: Collector) -> None:
    before = tracing.metric("outrider_spans_exported_total")
    answers(tracing, 10)
    until(lambda: tracing.metric("outrider_spans_exported_total") == before + 10)
    assert tracing.metric("outrider_spans_dropped_total") == 0
    assert len({span.trace_id for span in collector.spans}) == 10


def test_a_trace_of_zipkins_goes_on_in_every_format(passing: Outrider, upstream: Upstream) -> None:
    assert passing.request("/zipkin", ("b3", f"{TRACE}-{SPAN}-1"), ("baggage", "a=1,b b")).status == 200
    seen = upstream.request
    assert seen.get("b3") == f"{TRACE}-{SPAN}-1"
    assert (seen.get("x-b3-traceid"), seen.get("x-b3-spanid"), seen.get("x-b3-sampled")) == (TRACE, SPAN, "1")
    assert seen.get("traceparent") == f"00-{TRACE}-{SPAN}-01"
    assert seen.get("baggage") == "a=1"


def test_of_strangers_nothing_goes_on_where_nobody_is_trusted(passing: Outrider, upstream: Upstream) -> None:
    given = [("traceparent", f"00-{TRACE}-{SPAN}-01"), ("b3", "1"), ("x-b3-flags", "1"), ("baggage", "a=1")]
    assert passing.request("/edge", *given).status == 200
    seen = upstream.request
    assert TRACE not in (seen.get("traceparent") or TRACE)
    assert [seen.get(name) for name in ("b3", "x-b3-flags", "baggage")] == [None, None, None]


@pytest.mark.parametrize("asked_by", ["ext_proc", "kong"])
def test_a_slow_hook_is_a_span_below_the_requests(
    share: Start, upstream: Upstream, collector: Collector, asked_by: str
) -> None:
    gateway = share(traced(upstream, collector, plugin("script")), workers=1, protocol=asked_by)
    assert gateway.request("/traced", ("x-script", "wait 0.15")).status == 200
    spans = until(lambda: collector.spans if len(collector.spans) > 1 else [])
    [hook] = [span for span in spans if span.name == "script on_request"]
    [span] = [span for span in spans if span is not hook]
    assert (hook.trace_id, hook.parent_id) == (span.trace_id, span.span_id)
    assert hook.end - hook.start >= 100_000_000
