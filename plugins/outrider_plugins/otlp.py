"""A collector that is reached over OTLP, through OpenTelemetry's SDK: the only file that knows the SDK."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Literal
from urllib.parse import urlsplit

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from outrider.log_record import SlowHook
from outrider_plugins.propagation import new_span_id
from outrider_plugins.spans import Span

TIMEOUT = 5.0
"""How long a batch is tried to be sent, again and again, in seconds."""

_SCOPE = InstrumentationScope("outrider", version("outrider"))
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class OtlpCollector:
    """An OTLP endpoint: `http://` or `https://`, a host, a port, and for http the path of its traces.

    Raises `ImportError` where the extra of the protocol is not installed.
    """

    def __init__(
        self, protocol: Literal["grpc", "http"], endpoint: str, headers: Mapping[str, str], service: str
    ) -> None:
        # The exporters tell each attempt that failed, with a traceback now and then.
        _hush(logging.getLogger("opentelemetry.exporter"))
        self.name = f"the {protocol} collector at {urlsplit(endpoint).netloc}"
        self._exporter = _grpc(endpoint, headers) if protocol == "grpc" else _http(endpoint, headers)
        attributes = {"service.name": service, "service.version": version("outrider")}
        self._resource = Resource.create(attributes)

    def export(self, spans: Sequence[Span]) -> bool:
        """Sends a batch and waits for the answer, for five seconds at most; False if it was not taken."""
        batch = [one for span in spans for one in readable(span, self._resource)]
        return self._exporter.export(batch) is SpanExportResult.SUCCESS

    def close(self) -> None:
        """Ends the connection, and every attempt to send."""
        self._exporter.shutdown()


def readable(span: Span, resource: Resource) -> Iterator[ReadableSpan]:
    """A request's span as the SDK's exporters take it, and those of its slow hooks."""
    yield _of_request(span, resource)
    for hook in span.log.slow_hooks:
        yield _of_hook(span, hook, resource)


def _of_hook(span: Span, hook: SlowHook, resource: Resource) -> ReadableSpan:
    begun = span.begun
    context = _context(begun["trace_id"], begun["span_id"], TraceState(), is_remote=False)
    start = begun["start"] + round(hook.began * 1_000_000)
    return ReadableSpan(
        f"{hook.plugin} {hook.hook}",
        context=_context(begun["trace_id"], new_span_id(), TraceState(), is_remote=False),
        parent=context,
        resource=resource,
        attributes={"outrider.plugin": hook.plugin, "outrider.hook": hook.hook},
        start_time=start * 1000,
        end_time=(start + round(hook.seconds * 1_000_000)) * 1000,
        instrumentation_scope=_SCOPE,
    )


def _of_request(span: Span, resource: Resource) -> ReadableSpan:
    begun = span.begun
    state = TraceState.from_header([begun["tracestate"]])
    trace_id, parent_id = begun["trace_id"], begun["parent_id"]
    return ReadableSpan(
        span.name,
        context=_context(trace_id, begun["span_id"], state, is_remote=False),
        parent=_context(trace_id, parent_id, state, is_remote=True) if parent_id else None,
        resource=resource,
        attributes=span.attributes(),
        kind=SpanKind.SERVER,
        status=Status(StatusCode.ERROR if span.error else StatusCode.UNSET),
        start_time=begun["start"] * 1000,
        end_time=span.end * 1000,
        instrumentation_scope=_SCOPE,
    )


def _context(trace_id: str, span_id: str, state: TraceState, *, is_remote: bool) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote, _SAMPLED, state)


def _grpc(endpoint: str, headers: Mapping[str, str]) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    insecure = endpoint.startswith("http:")
    return OTLPSpanExporter(endpoint, insecure, headers=dict(headers), timeout=TIMEOUT)


def _http(endpoint: str, headers: Mapping[str, str]) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    # OpenTelemetry Protocol Exporter, "Endpoint URLs for OTLP/HTTP": this is where a collector has its traces.
    address = endpoint if urlsplit(endpoint).path.strip("/") else f"{endpoint.rstrip('/')}/v1/traces"
    return OTLPSpanExporter(address, headers=dict(headers), timeout=TIMEOUT)


def _hush(log: logging.Logger) -> None:
    if not log.isEnabledFor(logging.DEBUG):
        log.setLevel(logging.CRITICAL)
