"""tracing: which trace a request belongs to, what upstream hears of it, and which requests become spans."""

import json
import sys
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from pydantic import SecretStr

from outrider import Headers, Plugin, Refusal, Request, Response, StartError
from outrider.config import ConfigError, load
from outrider.testing import run
from outrider_plugins.propagation import Trace
from outrider_plugins.propagation.w3c import read_traceparent
from outrider_plugins.spans import Span
from outrider_plugins.tracing import Tracing

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"
ENDPOINT = "http://127.0.0.1:1"


class Fake:
    """Takes all spans and keeps them."""

    name = "fake"

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def export(self, spans: Sequence[Span]) -> bool:
        self.spans.extend(spans)
        return True

    def close(self) -> None: ...


@pytest.fixture(autouse=True)
def collector(monkeypatch: pytest.MonkeyPatch) -> Fake:
    fake = Fake()

    def connected(*_: object) -> Fake:
        return fake

    monkeypatch.setattr("outrider_plugins.otlp.OtlpCollector", connected)
    return fake


def upstream(request: Request, plugin: Tracing | None = None) -> Trace:
    """What upstream reads in the `traceparent` that it gets."""
    sent = run(plugin or Tracing(), request).upstream
    assert sent is not None
    parent = read_traceparent(sent.headers.get_all("traceparent"))
    assert parent is not None
    return parent


def traced(**headers: str) -> Request:
    return Request(headers=headers)


def test_a_request_without_a_trace_begins_one() -> None:
    request = Request()
    parent = upstream(request)
    assert parent.sampled
    assert request.trace_id == parent.trace_id


def test_every_request_without_a_trace_begins_another_one() -> None:
    assert len({upstream(Request()).trace_id for _ in range(10)}) == 10


@pytest.mark.parametrize("given", [SAMPLED, UNSAMPLED, f"cc-{TRACE}-{SPAN}-01-more"])
def test_without_an_endpoint_a_valid_traceparent_goes_on_as_it_came(given: str) -> None:
    headers = Headers.received({"traceparent": [given], "tracestate": ["a=1,b=2"]})
    request = Request(headers=headers)
    upstream(request)
    assert not headers.changed
    assert request.trace_id == TRACE


@pytest.mark.parametrize("given", ["", "x", f"00-{'0' * 32}-{SPAN}-01", f"{SAMPLED}-more"])
@pytest.mark.parametrize("plugin", [Tracing(), Tracing(endpoint=ENDPOINT)])
def test_an_invalid_traceparent_is_replaced_and_its_tracestate_removed(given: str, plugin: Tracing) -> None:
    request = traced(traceparent=given, tracestate="a=1")
    assert upstream(request, plugin).trace_id == request.trace_id != TRACE
    assert "tracestate" not in request.headers


def test_two_traceparents_are_replaced_by_one() -> None:
    request = Request(headers=[("traceparent", SAMPLED), ("traceparent", UNSAMPLED)])
    assert upstream(request).trace_id != TRACE


def test_a_tracestate_without_a_traceparent_is_removed() -> None:
    request = traced(tracestate="a=1")
    upstream(request)
    assert "tracestate" not in request.headers


def test_a_tracestate_that_is_not_valid_is_removed_and_the_traceparent_stays() -> None:
    request = traced(traceparent=SAMPLED, tracestate="A=1")
    assert upstream(request) == Trace(TRACE, SPAN, sampled=True)
    assert "tracestate" not in request.headers


def test_several_tracestates_go_on_as_one() -> None:
    request = Request(headers=[("traceparent", SAMPLED), ("tracestate", "a=1"), ("tracestate", "b=2")])
    upstream(request)
    assert request.headers.get_all("tracestate") == ["a=1,b=2"]


def test_with_an_endpoint_upstream_gets_the_id_of_our_span_in_the_same_trace() -> None:
    request = traced(traceparent=SAMPLED, tracestate="a=1")
    parent = upstream(request, Tracing(endpoint=ENDPOINT))
    assert (parent.trace_id, parent.sampled) == (TRACE, True)
    assert parent.span_id != SPAN
    assert request.headers["tracestate"] == "a=1"


def test_what_is_kept_between_the_phases_is_plain_json() -> None:
    request = traced(traceparent=SAMPLED)
    parent = upstream(request, Tracing(endpoint=ENDPOINT))
    kept = request.context["tracing"]
    assert json.loads(json.dumps(kept)) == kept
    assert (kept["trace_id"], kept["span_id"], kept["parent_id"]) == (TRACE, parent.span_id, SPAN)
    assert kept["start"] < 2**53


@pytest.mark.parametrize("sample", [0, 1])
def test_downstreams_decision_is_kept_whatever_the_sample_is(sample: int) -> None:
    plugin = Tracing(endpoint=ENDPOINT, sample=sample)
    assert upstream(traced(traceparent=SAMPLED), plugin).sampled
    request = traced(traceparent=UNSAMPLED)
    assert upstream(request, plugin) == Trace(TRACE, SPAN, sampled=False)
    assert not request.context


@pytest.mark.parametrize("endpoint", [None, ENDPOINT])
def test_a_sample_of_0_records_no_trace_that_begins_here(endpoint: str | None) -> None:
    request = Request()
    assert not upstream(request, Tracing(endpoint=endpoint, sample=0)).sampled
    assert not request.context


@pytest.mark.parametrize(
    ("low", "sampled"),
    [
        ("0000000000000000", True),
        ("3fffffffffffffff", True),
        ("4000000000000000", False),
        ("ffffffffffffffff", False),
    ],
)
def test_the_lower_half_of_the_trace_id_decides_as_in_opentelemetry(
    low: str, sampled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outrider_plugins.tracing.new_trace", lambda: (f"{'f' * 16}{low}", SPAN))
    assert upstream(Request(), Tracing(sample=0.25)).sampled is sampled


def test_the_sample_agrees_with_opentelemetrys_own_sampler() -> None:
    for _ in range(50):
        request = Request()
        sampled = upstream(request, Tracing(sample=0.3)).sampled
        decision = TraceIdRatioBased(0.3).should_sample(None, int(request.trace_id, 16), "GET").decision
        assert sampled is (decision is Decision.RECORD_AND_SAMPLE)


def test_the_trace_id_of_a_hook_that_failed_is_rolled_back() -> None:
    class Fails(Tracing):
        """Fails at its end."""

        def on_request(self, request: Request, /) -> None:
            super().on_request(request)
            raise RuntimeError

    request = traced(traceparent=SAMPLED)
    assert run(Fails(on_error="continue"), request).status == 200
    assert request.trace_id == ""


def test_without_an_endpoint_no_response_phase_is_paid_for() -> None:
    assert Tracing().hooks() == {"on_request"}
    assert Tracing().needs().facts == {"headers"}


def test_with_an_endpoint_a_gateway_without_the_end_of_a_request_will_do() -> None:
    plugin = Tracing(endpoint=ENDPOINT)
    assert plugin.hooks() - plugin.needs().optional == {"on_request"}


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"endpoint": "127.0.0.1:4317"}, "no address of a collector"),
        ({"endpoint": "ftp://127.0.0.1"}, "no address of a collector"),
        ({"endpoint": "http://"}, "no address of a collector"),
        ({"endpoint": "http://127.0.0.1:0"}, "no address of a collector"),
        ({"endpoint": "http://127.0.0.1:99999"}, "no address of a collector"),
        ({"endpoint": "http://a b"}, "no address of a collector"),
        ({"endpoint": "https://me:secret@collector.example"}, "has a user, a query or a fragment"),
        ({"endpoint": "https://collector.example?key=secret"}, "has a user, a query or a fragment"),
        ({"endpoint": "https://collector.example/v1/traces"}, "has a path, which grpc has not"),
        ({"endpoint": "http://collector.example", "headers": {"x-key": "secret"}}, "could read the headers"),
        ({"headers": {"x-key": "sec\nret"}}, "can't stand in a header"),
        ({"headers": {"x-key": "secrét"}}, "can't stand in a header"),
        ({"headers": {"x key": "secret"}}, "is no header name"),
        ({"protocol": "thrift"}, "'grpc' or 'http'"),
        ({"sample": 1.1}, "less than or equal to 1"),
        ({"sample": -0.1}, "greater than or equal to 0"),
        ({"propagate": ["jaeger"]}, "'w3c', 'b3'"),
        ({"propagate": ["baggage"]}, "no format for the trace itself"),
        ({"trust": False, "trusted_ips": ["10.0.0.0/8"]}, "trusts some and trust nobody"),
        ({"slow_hooks": -1}, "greater than or equal to 0"),
        ({"sampler": "always"}, "'parent' or 'ratio'"),
        ({"propagate": []}, "at least 1"),
        ({"queue": 0}, "greater than or equal to 1"),
        ({"service_name": ""}, "at least 1"),
    ],
)
def test_a_mistake_in_the_configuration_is_told(config: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as told:
        Tracing(**config)
    assert "secret" not in str(told.value).partition("[type=")[0]


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:4317", "http://[::1]:4317", "http://localhost", "https://a.example"]
)
def test_headers_go_over_https_and_to_loopback(endpoint: str) -> None:
    assert "hunter2" not in repr(Tracing(endpoint=endpoint, headers={"x-key": SecretStr("hunter2")}).headers)


@pytest.mark.parametrize("value", ["[hunter2]", "{hunter2: a}", '"hunter\\n2"'])
def test_a_mistake_in_the_file_does_not_show_a_header_for_the_collector(value: str, tmp_path: Path) -> None:
    file = tmp_path / "outrider.yaml"
    config = f"{{endpoint: 'http://127.0.0.1', headers: {{authorization: {value}}}}}"
    file.write_text(f"_format_version: '3.0'\nplugins: [{{name: tracing, config: {config}}}]\n")
    with pytest.raises(ConfigError) as told:
        load(file, {"tracing": Tracing}, environ={})
    assert "authorization" in str(told.value)
    assert "hunter" not in str(told.value)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_where_opentelemetry_is_missing_the_extra_is_named(protocol: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, f"opentelemetry.exporter.otlp.proto.{protocol}.trace_exporter", None)
    with pytest.raises(StartError, match=rf"install outrider\[otlp-{protocol}\]"):
        run(Tracing(endpoint=ENDPOINT, protocol=protocol), Request())


def test_a_request_that_is_recorded_becomes_one_span(collector: Fake) -> None:
    parent = upstream(traced(traceparent=SAMPLED), Tracing(endpoint=ENDPOINT))
    [span] = collector.spans
    assert (span.begun["trace_id"], span.begun["span_id"], span.begun["parent_id"]) == (TRACE, parent.span_id, SPAN)
    assert (span.log.status, span.log.ending) == (200, "passed")


def test_a_request_that_is_not_recorded_becomes_none(collector: Fake) -> None:
    upstream(traced(traceparent=UNSAMPLED), Tracing(endpoint=ENDPOINT))
    upstream(Request(), Tracing(endpoint=ENDPOINT, sample=0))
    assert collector.spans == []


def test_a_request_that_a_later_plugin_refuses_becomes_one_too(collector: Fake) -> None:
    class Refuses(Plugin):
        """Refuses everything."""

        def on_request(self, request: Request, /) -> Response:
            return Refusal(403, "no")

    run([Tracing(endpoint=ENDPOINT), Refuses()], Request())
    [span] = collector.spans
    assert (span.log.status, span.log.ending, span.log.plugin) == (403, "replied", "refuses")


def test_a_slow_hook_of_any_plugin_is_told_with_the_span(collector: Fake) -> None:
    class Slow(Plugin):
        """Lets everything on."""

        def on_request(self, request: Request, /) -> None:
            """Nothing takes less than nothing."""

    run([Tracing(endpoint=ENDPOINT, slow_hooks=0), Slow()], Request())
    [span] = collector.spans
    assert [(hook.plugin, hook.hook) for hook in span.log.slow_hooks] == [
        ("tracing", "on_request"),
        ("slow", "on_request"),
    ]
    run([Tracing(endpoint=ENDPOINT, slow_hooks=None), Slow()], Request())
    assert collector.spans[1].log.slow_hooks == ()


@pytest.mark.parametrize(("sample", "sampled"), [(0, False), (1, True)])
def test_the_ratio_decides_about_downstreams_traces_too_where_it_is_the_sampler(sample: int, sampled: bool) -> None:
    plugin = Tracing(sampler="ratio", sample=sample)
    for given in (SAMPLED, UNSAMPLED):
        assert upstream(traced(traceparent=given), plugin) == Trace(TRACE, SPAN, sampled)


INSIDE = [ip_network("10.0.0.0/8")]
STRANGERS = {
    "traceparent": SAMPLED,
    "tracestate": "a=1",
    "b3": "1",
    "x-b3-traceid": TRACE,
    "x-b3-spanid": SPAN,
    "x-b3-parentspanid": SPAN,
    "x-b3-sampled": "1",
    "x-b3-flags": "1",
    "baggage": "tenant=a",
}


@pytest.mark.parametrize(
    ("config", "client"),
    [
        ({"trust": False}, "10.0.0.1"),
        ({"trusted_ips": ["10.0.0.0/8"]}, "192.0.2.1"),
        ({"trusted_ips": ["10.0.0.0/8"]}, "a unix socket"),
    ],
)
def test_of_who_is_not_trusted_nothing_goes_on(config: dict[str, Any], client: str) -> None:
    request = Request(headers=STRANGERS, client=client)
    parent = upstream(request, Tracing(sample=0, **config))
    assert parent.trace_id == request.trace_id != TRACE
    assert not parent.sampled
    assert set(request.headers) == {"traceparent"}


def test_of_who_is_trusted_all_goes_on() -> None:
    headers = Headers.received({name: [value] for name, value in STRANGERS.items()})
    request = Request(headers=headers, client="::ffff:10.1.2.3")
    assert upstream(request, Tracing(trusted_ips=INSIDE)) == Trace(TRACE, SPAN, sampled=True)
    assert not headers.changed


def test_without_trusted_ips_the_clients_address_is_not_asked_for() -> None:
    assert Tracing().needs().facts == {"headers"}
    assert Tracing(trusted_ips=INSIDE).needs().facts == {"headers", "client"}


def test_the_chosen_keys_of_baggage_become_attributes(collector: Fake) -> None:
    given = "tenant=a%20b,secret=hunter2"
    plugin = Tracing(endpoint=ENDPOINT, baggage_attributes=["tenant", "absent"])
    run(plugin, traced(traceparent=SAMPLED, baggage=given))
    attributes = collector.spans[0].attributes()
    assert attributes["baggage.tenant"] == "a b"
    assert "hunter2" not in str(attributes)
