"""The plugin tracing: every request is a span of a trace that begins before it and goes on behind it."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Annotated, ClassVar, Literal, Self, cast
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from outrider import HeaderName, Headers, LogRecord, Needs, Plugin, Request, Runtime, StartError
from outrider.needs import Fact
from outrider_plugins.networks import Networks, Ranges, client_address
from outrider_plugins.propagation import HEADERS, Format, Propagation, Trace, new_span_id, new_trace
from outrider_plugins.span_queue import Collector, SpanQueue
from outrider_plugins.spans import Started, ended, started

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
    """Passes the trace of a request on to upstream, and tells an OpenTelemetry collector of it.

    A valid trace from downstream goes on, where it is trusted; other requests begin one. Log lines carry its id.
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
    """How many of the traces are recorded, from 0 to 1, of those that nobody has decided on before."""
    sampler: Literal["parent", "ratio"] = "parent"
    """`parent`: what downstream has decided holds. `ratio`: `sample` decides about its traces too."""
    trust: bool = True
    """Whether traces and baggage from downstream go on. Otherwise their headers are removed, in all formats."""
    trusted_ips: Networks | None = None
    """The clients whose traces and baggage go on; null for everybody's."""
    propagate: Annotated[Sequence[Format], Field(min_length=1)] = ("w3c",)
    """The headers of the trace: `w3c` (`traceparent`, `tracestate`), `b3`, `b3multi` (`x-b3-*`); and `baggage`.
    Downstream's first of these counts, and upstream gets all of them."""
    baggage_attributes: Sequence[str] = ()
    """The keys of baggage whose values become attributes of the span, `baggage.KEY`."""
    slow_hooks: Annotated[int, Field(ge=0, le=600_000)] | None = 100
    """Hooks that take longer become spans of their own below the request's, in milliseconds; null for none."""
    queue: Annotated[int, Field(ge=1, le=100_000)] = 2048
    """How many spans may wait for the collector in each worker. Further ones are dropped and counted."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.trusted_ips is not None and not self.trust:
            raise ValueError("trusted_ips trusts some and trust nobody: remove one of them")
        if set(self.propagate) == {"baggage"}:
            raise ValueError("propagate has no format for the trace itself: add w3c, b3 or b3multi")
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
            facts = frozenset[Fact]({"headers", "client"} if self.trusted_ips is not None else {"headers"})
            return Needs(facts=facts, hooks=frozenset({"on_request"}))
        slow = None if self.slow_hooks is None else self.slow_hooks / 1000
        return Needs(optional=frozenset({"on_log"}), slow_hooks=slow)

    async def start(self, runtime: Runtime, /) -> None:
        # As OpenTelemetry's TraceIdRatioBased does, so that all who sample by trace id agree.
        self._bound = round(self.sample * 2**64)
        self._propagation = Propagation(self.propagate)
        self._trusted = None if self.trusted_ips is None else Ranges(self.trusted_ips)
        if self.endpoint is not None:
            # OpenTelemetry takes a third of a second to import, in which the worker shall not look dead.
            collector = await asyncio.to_thread(self._collector, self.endpoint)
            self._spans = SpanQueue(collector, self.queue, runtime.metrics)

    async def stop(self) -> None:
        if self.endpoint is not None:
            await self._spans.stop()

    def on_request(self, request: Request, /) -> None:
        headers = request.headers
        parent, place = self._propagation.read(headers) if self._trusts(request) else _forgotten(headers)
        trace_id, span_id = (parent.trace_id, parent.span_id) if parent and place >= 0 else new_trace()
        sampled = self._samples(trace_id, parent)
        is_recorded = sampled and self.endpoint is not None
        if is_recorded and place >= 0:
            span_id = new_span_id()
        state, debug = (parent.state, parent.debug) if parent else ("", False)
        trace = Trace(trace_id, span_id, sampled, state, debug)
        self._propagation.write(headers, trace, but=place if trace == parent else -1)
        request.trace_id = trace_id
        if is_recorded:
            sender = parent.span_id if parent else ""
            request.context[_KEPT] = started(trace_id, span_id, sender, state)

    def on_log(self, request: Request, log: LogRecord, /) -> None:
        if kept := request.context.get(_KEPT):
            self._spans.put(ended(cast("Started", kept), request, log, self.baggage_attributes))

    def _trusts(self, request: Request) -> bool:
        if self._trusted is None:
            return self.trust
        address = client_address(request.client)
        return address is not None and address in self._trusted

    def _samples(self, trace_id: str, parent: Trace | None) -> bool:
        if parent is not None and parent.sampled is not None and (parent.debug or self.sampler == "parent"):
            return parent.sampled
        return int(trace_id[16:], 16) < self._bound

    def _collector(self, endpoint: str) -> Collector:
        try:
            # Only here, since OpenTelemetry is an extra.
            from outrider_plugins.otlp import OtlpCollector

            headers = {name: value.get_secret_value() for name, value in self.headers.items()}
            return OtlpCollector(self.protocol, endpoint, headers, self.service_name)
        except ImportError as error:
            extra = f"outrider[otlp-{self.protocol}]"
            raise StartError(f"spans over {self.protocol} need OpenTelemetry: install {extra}") from error


def _forgotten(headers: Headers) -> tuple[None, int]:
    """Takes the word of a stranger off the request."""
    for name in HEADERS:
        headers.discard(name)
    return None, -1


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
