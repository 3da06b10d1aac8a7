"""An OTLP endpoint that keeps what it gets, made from the protocol's own classes."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Literal, Self

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1 import trace_pb2

OtlpProtocol = Literal["grpc", "http"]


@dataclass(frozen=True)
class Exported:
    """One span as it arrived; ids in hexadecimal digits, times in nanoseconds."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    tracestate: str
    kind: int
    start: int
    end: int
    is_error: bool
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]


@dataclass
class Collector:
    """Listens on a free port of loopback. While `gate` is closed it does not answer; `is_broken` lets it refuse."""

    protocol: OtlpProtocol
    spans: list[Exported] = field(default_factory=list[Exported])
    sent_headers: dict[str, str] = field(default_factory=dict[str, str])
    paths: list[str] = field(default_factory=list[str])
    gate: Event = field(default_factory=Event)
    is_broken: bool = False
    endpoint: str = ""

    def __post_init__(self) -> None:
        self.gate.set()
        self._server = _Grpc(self) if self.protocol == "grpc" else _Http(self)
        self.endpoint = f"http://127.0.0.1:{self._server.port}"

    def take(self, headers: Mapping[str, str], request: ExportTraceServiceRequest) -> None:
        assert self.gate.wait(15), "nobody opened the gate"
        self.sent_headers.update(headers)
        if not self.is_broken:
            self.spans.extend(_exported(request))

    def of(self, trace_id: str) -> list[Exported]:
        return [span for span in self.spans if span.trace_id == trace_id]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self._server.stop()


class _Grpc:
    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._server = grpc.server(ThreadPoolExecutor(2))
        export = grpc.unary_unary_rpc_method_handler(
            self._export, ExportTraceServiceRequest.FromString, ExportTraceServiceResponse.SerializeToString
        )
        service = "opentelemetry.proto.collector.trace.v1.TraceService"
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": export}),))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def _export(
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        self._collector.take({name: str(value) for name, value in context.invocation_metadata()}, request)
        if self._collector.is_broken:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "broken")
        return ExportTraceServiceResponse()

    def stop(self) -> None:
        self._server.stop(None).wait()


class _Http:
    def __init__(self, collector: Collector) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.paths.append(self.path)
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.take(dict(self.headers), ExportTraceServiceRequest.FromString(body))
                self.send_response(403 if collector.is_broken else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_port
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _exported(request: ExportTraceServiceRequest) -> Iterator[Exported]:
    for of_resource in request.resource_spans:
        resource = _plain(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield Exported(
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    tracestate=span.trace_state,
                    kind=span.kind,
                    start=span.start_time_unix_nano,
                    end=span.end_time_unix_nano,
                    is_error=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
                    attributes=_plain(span.attributes),
                    resource=resource,
                )


def _plain(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}
