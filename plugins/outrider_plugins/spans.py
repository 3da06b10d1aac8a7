"""What a request looks like as a span: OpenTelemetry's semantic conventions for HTTP servers."""

import time
from collections.abc import Sequence
from typing import NamedTuple, TypedDict

from outrider import Consumer, LogRecord, Request, Route
from outrider.authority import split_authority
from outrider_plugins.propagation.baggage import entries

_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
_LONGEST = 1024  # characters of one attribute: paths and user agents are written by strangers

Attributes = dict[str, str | int]


class Started(TypedDict):
    """A span while its request is under way: plain JSON data. `start` is in microseconds since 1970."""

    trace_id: str
    span_id: str
    parent_id: str
    tracestate: str
    start: int


class Span(NamedTuple):
    """The span of a request that has ended, as plain values that hold no credential."""

    begun: Started
    log: LogRecord
    request_id: str
    method: str
    scheme: str
    authority: str
    path: str
    client: str
    user_agent: str
    route: Route
    consumer: Consumer | None
    baggage: dict[str, str]

    @property
    def end(self) -> int:
        """In microseconds since 1970."""
        return self.begun["start"] + round(self.log.duration * 1_000_000)

    @property
    def name(self) -> str:
        """The method and the name of the route, both from small sets."""
        method = self.method if self.method in _METHODS else "HTTP"
        return f"{method} {_clean(self.route.name)}".rstrip()

    @property
    def error(self) -> str:
        """What went wrong here, empty if nothing did: a status from 500 on, or a plugin that failed."""
        if self.log.status is not None and self.log.status >= 500:
            return str(self.log.status)
        return self.log.ending if self.log.ending == "fault" else ""

    def attributes(self) -> Attributes:
        """Those of the conventions, and those of ours below `outrider.`; what is not known is left out."""
        known = self.method in _METHODS
        host, port = split_authority(self.authority)
        found: dict[str, str | int | None] = {
            "http.request.method": self.method if known else "_OTHER",
            "http.request.method_original": None if known else self.method,
            "http.request.body.size": self.log.request_bytes,
            "http.response.status_code": self.log.status,
            "http.response.body.size": self.log.response_bytes,
            "error.type": self.error,
            "url.scheme": self.scheme,
            "url.path": self.path,
            "server.address": host,
            "server.port": port,
            "client.address": self.client,
            "user_agent.original": self.user_agent,
            "enduser.id": _username(self.consumer),
            "outrider.route": self.route.name,
            "outrider.service": self.route.service,
            "outrider.request_id": self.request_id,
            "outrider.ending": self.log.ending,
            "outrider.plugin": self.log.plugin,
            **{f"baggage.{key}": value for key, value in self.baggage.items()},
        }
        return {
            name: _clean(value) if isinstance(value, str) else value
            for name, value in found.items()
            if value not in (None, "")
        }


def started(trace_id: str, span_id: str, parent_id: str, tracestate: str) -> Started:
    """A span that begins now; `parent_id` is empty if it is the first of its trace."""
    # Not nanoseconds: behind Kong the number passes through Lua, which has 53 bits for it.
    now = time.time_ns() // 1000
    return Started(trace_id=trace_id, span_id=span_id, parent_id=parent_id, tracestate=tracestate, start=now)


def ended(begun: Started, request: Request, log: LogRecord, baggage_keys: Sequence[str] = ()) -> Span:
    """The span of a request that has ended, with what its baggage has under these keys."""
    found = entries(request.headers) if baggage_keys else {}
    return Span(
        begun,
        log,
        request.id,
        request.method[:_LONGEST],
        request.scheme,
        request.authority[:_LONGEST],
        request.path[:_LONGEST],
        request.client,
        request.headers.get("user-agent", "")[:_LONGEST],
        request.route,
        request.consumer,
        {key: found[key] for key in baggage_keys if key in found},
    )


def _username(consumer: Consumer | None) -> str:
    return consumer.name if consumer else ""


def _clean(text: str) -> str:
    """Text that has a UTF-8 form: one byte of a header that has none would cost a whole batch."""
    return text[:_LONGEST].encode(errors="replace").decode()
