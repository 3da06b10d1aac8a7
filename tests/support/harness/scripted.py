"""Servers that answer an Envoy with exactly the messages that a test gives."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeAlias

import grpc

from harness import say
from outrider_envoy.proto.ext_authz_pb2 import AttributeContext, CheckRequest, CheckResponse
from outrider_envoy.proto.ext_proc_pb2 import ProcessingRequest, ProcessingResponse
from outrider_envoy.proto.rate_limit_pb2 import RateLimitRequest, RateLimitResponse

Messages = Iterator[ProcessingRequest]
Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"
Script = Callable[[Messages], Iterator[ProcessingResponse]]


def answers(*responses: ProcessingResponse) -> Script:
    """One given answer for each message, then answers that change nothing."""

    def script(messages: Messages) -> Iterator[ProcessingResponse]:
        given = iter(responses)
        for message in messages:
            yield next(given, None) or say.proceed(message)

    return script


def each(answer: Callable[[ProcessingRequest], Iterable[ProcessingResponse]]) -> Script:
    """Any number of answers for each message."""

    def script(messages: Messages) -> Iterator[ProcessingResponse]:
        for message in messages:
            yield from answer(message)

    return script


def closes(messages: Messages) -> Iterator[ProcessingResponse]:
    """Closes the stream cleanly, without an answer to the first message."""
    next(messages)
    yield from ()


def hangs(messages: Messages) -> Iterator[ProcessingResponse]:
    """Answers nothing until the gateway gives up."""
    for _ in messages:
        yield from ()


class Stream:
    """One request's stream, as the server saw it."""

    def __init__(self, metadata: list[tuple[str, str]]) -> None:
        self.metadata = metadata
        self.received: list[ProcessingRequest] = []
        self.done = threading.Event()
        self.half_closed = False

    @property
    def first(self) -> ProcessingRequest:
        return self.received[0]

    @property
    def kinds(self) -> list[str]:
        return [message.WhichOneof("request") or "" for message in self.received]

    def record(self, messages: Messages) -> Messages:
        for message in messages:
            self.received.append(message)
            yield message
        self.half_closed = True


class Scripted:
    """A gRPC server on a unix socket; health checks are told `healthy`."""

    healthy = True

    def __init__(self, path: str, **options: int) -> None:
        self.path = path
        named = [(f"grpc.{name}", value) for name, value in options.items()]
        self._server = grpc.server(ThreadPoolExecutor(16), options=named)
        self._server.add_generic_rpc_handlers((self.handlers(), self._health()))
        self._server.add_insecure_port(f"unix:{path}")

    def stop(self) -> None:
        self._server.stop(0).wait()

    def handlers(self) -> grpc.GenericRpcHandler:
        raise NotImplementedError

    def _health(self) -> grpc.GenericRpcHandler:
        def check(_: bytes, __: grpc.ServicerContext) -> bytes:
            # A HealthCheckResponse whose status is SERVING or NOT_SERVING.
            return b"\x08\x01" if self.healthy else b"\x08\x02"

        method: Handler = grpc.unary_unary_rpc_method_handler(check)
        return grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method})

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Processor(Scripted):
    """An ext_proc server. A script takes a stream's messages and yields the answers."""

    script: Script
    streams: list[Stream]

    def reset(self) -> None:
        self.script = answers()
        self.streams = []

    @property
    def stream(self) -> Stream:
        """The only stream that was opened."""
        assert len(self.streams) == 1, f"{len(self.streams)} streams were opened"
        return self.streams[0]

    def handlers(self) -> grpc.GenericRpcHandler:
        self.reset()
        method = grpc.stream_stream_rpc_method_handler(
            self._process,
            request_deserializer=ProcessingRequest.FromString,
            response_serializer=ProcessingResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(
            "envoy.service.ext_proc.v3.ExternalProcessor", {"Process": method}
        )

    def _process(self, messages: Messages, context: grpc.ServicerContext) -> Iterator[ProcessingResponse]:
        stream = Stream([(key, str(value)) for key, value in context.invocation_metadata()])
        self.streams.append(stream)
        context.add_callback(stream.done.set)
        return self.script(stream.record(messages))


class Authorizer(Scripted):
    """An ext_authz server that always gives the same answer."""

    answer: CheckResponse
    checks: list[AttributeContext]

    def reset(self) -> None:
        self.answer = CheckResponse()
        self.gate = threading.Event()
        self.gate.set()
        self.checks = []

    @property
    def check(self) -> AttributeContext:
        """The only check that was asked for."""
        assert len(self.checks) == 1, f"{len(self.checks)} checks were asked for"
        return self.checks[0]

    def handlers(self) -> grpc.GenericRpcHandler:
        self.reset()
        method = grpc.unary_unary_rpc_method_handler(
            self._check,
            request_deserializer=CheckRequest.FromString,
            response_serializer=CheckResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler("envoy.service.auth.v3.Authorization", {"Check": method})

    def _check(self, request: CheckRequest, _: grpc.ServicerContext) -> CheckResponse:
        self.checks.append(request.attributes)
        assert self.gate.wait(15), "nobody opened the gate"
        return self.answer


class Limiter(Scripted):
    """A rate limit server that always gives the same answer."""

    answer: RateLimitResponse
    fails: bool
    asked: list[RateLimitRequest]

    def reset(self) -> None:
        self.answer = RateLimitResponse(overall_code=RateLimitResponse.OK)
        self.fails = False
        self.gate = threading.Event()
        self.gate.set()
        self.asked = []

    @property
    def request(self) -> RateLimitRequest:
        """The only request that came."""
        assert len(self.asked) == 1, f"{len(self.asked)} requests came"
        return self.asked[0]

    def handlers(self) -> grpc.GenericRpcHandler:
        self.reset()
        method = grpc.unary_unary_rpc_method_handler(
            self._should_rate_limit,
            request_deserializer=RateLimitRequest.FromString,
            response_serializer=RateLimitResponse.SerializeToString,
        )
        name = "envoy.service.ratelimit.v3.RateLimitService"
        return grpc.method_handlers_generic_handler(name, {"ShouldRateLimit": method})

    def _should_rate_limit(self, request: RateLimitRequest, context: grpc.ServicerContext) -> RateLimitResponse:
        self.asked.append(request)
        assert self.gate.wait(15), "nobody opened the gate"
        if self.fails:
            context.abort(grpc.StatusCode.INTERNAL, "fails")
        return self.answer
