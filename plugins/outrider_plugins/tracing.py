"""The plugin tracing: every request is a span of a trace that begins before it and goes on behind it."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Annotated, ClassVar, Literal, Self, cast
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from outrider import HeaderName, LogRecord, Needs, Plugin, Request, Runtime, StartError
from outrider_plugins.span_queue import Collector, SpanQueue
from outrider_plugins.spans import Started, ended, started
from outrider_plugins.trace_context import (
    new_ids,
    new_span_id,
    read_traceparent,
    read_tracestate,
    write_traceparent,
)

_KEPT = "tracing"
_PRINTABLE = re.compile(r"[!-~]+")
_HEADER = re.compile(r"[\t -~]*")


def _collector_address(url: str) -> str:
    parts = _parts(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is no address of a collector: write http:// or https://, a host and a port")
    if "@" in parts.netloc or parts.query or parts.fragment:
        # It is logged.
        raise ValueError("has a user, a query or a fragment: put credentials into `headers`")
    return url


def _sendable(value: SecretStr) -> SecretStr:
    if not _HEADER.fullmatch(value.get_secret_value()):
        raise ValueError("can't stand in a header: use printable ASCII characters")
    return value


class Tracing(Plugin):
    """Passes W3C trace context on to upstream, and tells an OpenTelemetry collector of every request.

    A valid `traceparent` from downstream is kept; other requests begin a trace of their own. Log lines carry its id.
    """

    priority: ClassVar[int] = 100_000

    endpoint: Annotated[str, AfterValidator(_collector_address)] | None = None
    """The collector's OTLP address, for instance `http://127.0.0.1:4317`. Without one only headers are passed on."""
    protocol: Literal["grpc", "http"] = "grpc"
    """How the collector is spoken to: OTLP over `grpc` (usually on port 4317) or over `http` (4318)."""
    headers: Mapping[HeaderName, Annotated[SecretStr, AfterValidator(_sendable)]] = {}
    """Headers for the collector, such as its credentials. Over plain http only to loopback."""
    service_name: Annotated[str, Field(min_length=1)] = "outrider"
    """What this gateway is called in traces."""
    sample: Annotated[float, Field(ge=0, le=1)] = 1.0
    """How many of the traces that begin here are recorded, from 0 to 1. For others downstream has decided."""
    propagate: Annotated[Sequence[Literal["w3c"]], Field(min_length=1)] = ("w3c",)
    """The headers that carry the trace: only `w3c`, which is `traceparent` and `tracestate`."""
    queue: Annotated[int, Field(ge=1, le=100_000)] = 2048
    """How many spans may wait for the collector in each worker. Further ones are dropped and counted."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.endpoint is None:
            return self
        parts = urlsplit(self.endpoint)
        if self.protocol == "grpc" and parts.path.strip("/"):
            raise ValueError("the endpoint has a path, which grpc has not: remove it, or set protocol to http")
        if self.headers and parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
            raise ValueError("anybody on the way could read the headers: use https, or a collector on loopback")
        return self

    def needs(self) -> Needs:
        if self.endpoint is None:
            return Needs(facts=frozenset({"headers"}), hooks=frozenset({"on_request"}))
        return Needs(optional=frozenset({"on_log"}))

    async def start(self, runtime: Runtime, /) -> None:
        # As OpenTelemetry's TraceIdRatioBased does, so that all who sample by trace id agree.
        self._bound = round(self.sample * 2**64)
        if self.endpoint is not None:
            # OpenTelemetry takes a third of a second to import, in which the worker shall not look dead.
            collector = await asyncio.to_thread(self._collector, self.endpoint)
            self._spans = SpanQueue(collector, self.queue, runtime.metrics)

    async def stop(self) -> None:
        if self.endpoint is not None:
            await self._spans.stop()

    def on_request(self, request: Request, /) -> None:
        headers = request.headers
        parent = read_traceparent(headers.get_all("traceparent"))
        trace_id, span_id = (parent.trace_id, "") if parent else new_ids()
        sampled = parent.sampled if parent else int(trace_id[16:], 16) < self._bound
        state = read_tracestate(headers.get_all("tracestate")) if parent else ""
        request.trace_id = trace_id
        _set_tracestate(request, state)
        is_recorded = sampled and self.endpoint is not None
        if parent and not is_recorded:
            return
        span_id = span_id or new_span_id()
        headers["traceparent"] = write_traceparent(trace_id, span_id, sampled=sampled)
        if is_recorded:
            request.context[_KEPT] = started(trace_id, span_id, parent.span_id if parent else "", state)

    def on_log(self, request: Request, log: LogRecord, /) -> None:
        if kept := request.context.get(_KEPT):
            self._spans.put(ended(cast("Started", kept), request, log))

    def _collector(self, endpoint: str) -> Collector:
        try:
            # Only here, since OpenTelemetry is an extra.
            from outrider_plugins.otlp import OtlpCollector

            headers = {name: value.get_secret_value() for name, value in self.headers.items()}
            return OtlpCollector(self.protocol, endpoint, headers, self.service_name)
        except ImportError as error:
            extra = f"outrider[otlp-{self.protocol}]"
            raise StartError(f"spans over {self.protocol} need OpenTelemetry: install {extra}") from error


def _set_tracestate(request: Request, state: str) -> None:
    headers = request.headers
    if not state:
        headers.discard("tracestate")
    elif headers["tracestate"] != state:
        headers["tracestate"] = state


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        return parts if _PRINTABLE.fullmatch(url) and parts.port != 0 else None
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
