"""The worker's gRPC server: grpcio's asyncio transport under the state machines."""

import asyncio
import logging
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import grpc
from google.protobuf.message import DecodeError

from outrider.metrics import Metrics
from outrider.waiting import Wait
from outrider_envoy.errors import ProtocolError
from outrider_envoy.ext_authz import Check
from outrider_envoy.ext_proc import Conversation
from outrider_envoy.limits import BODY_LIMIT, STREAM_LIMIT
from outrider_envoy.proto.ext_authz_pb2 import CheckRequest, CheckResponse
from outrider_envoy.proto.ext_proc_pb2 import ProcessingRequest, ProcessingResponse
from outrider_envoy.proto.health_pb2 import HealthCheckRequest, HealthCheckResponse
from outrider_envoy.reading import CLIENT_KEY
from outrider_envoy.selection import ROUTE_KEY, Chains

_log = logging.getLogger("outrider.envoy")

# A piece of a body that streams is up to twice Envoy's buffer limit: what it holds, and what came meanwhile.
_MESSAGE_LIMIT = 2 * BODY_LIMIT + 1024 * 1024
_MessageT = TypeVar("_MessageT", ProcessingRequest, CheckRequest, HealthCheckRequest)
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class Server:
    """Serves ext_proc, ext_authz and gRPC health checks on one address, for instance `unix:/run/w0.sock`."""

    def __init__(self, chains: Chains, metrics: Metrics) -> None:
        self._chains = chains
        self._metrics = metrics
        self._in_flight = metrics.gauge("outrider_requests_in_flight", "Requests that plugins are at work on.")
        self._serving = False
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", _MESSAGE_LIMIT),
                ("grpc.max_send_message_length", _MESSAGE_LIMIT),
                ("grpc.so_reuseport", 0),
            ],
            maximum_concurrent_rpcs=STREAM_LIMIT,
        )
        self._server.add_generic_rpc_handlers((self._ext_proc(), self._ext_authz(), self._health()))

    async def start(self, address: str) -> int:
        """Listens; returns the port, or 1 for a unix socket. Raises `RuntimeError` if the address can't be had."""
        port = self._server.add_insecure_port(address)
        await self._server.start()
        self._serving = True
        return port

    async def drain(self, seconds: float) -> None:
        """Takes no new streams, lets those in flight finish, and cuts off what is left after `seconds`."""
        self._serving = False
        await self._server.stop(seconds)

    def _ext_proc(self) -> grpc.GenericRpcHandler:
        handler = grpc.stream_stream_rpc_method_handler(
            self._process, _parser(ProcessingRequest), ProcessingResponse.SerializeToString
        )
        return _service("envoy.service.ext_proc.v3.ExternalProcessor", {"Process": handler})

    def _ext_authz(self) -> grpc.GenericRpcHandler:
        handler = grpc.unary_unary_rpc_method_handler(
            self._check, _parser(CheckRequest), CheckResponse.SerializeToString
        )
        return _service("envoy.service.auth.v3.Authorization", {"Check": handler})

    def _health(self) -> grpc.GenericRpcHandler:
        handler = grpc.unary_unary_rpc_method_handler(
            self._tell_health, _parser(HealthCheckRequest), HealthCheckResponse.SerializeToString
        )
        return _service("grpc.health.v1.Health", {"Check": handler})

    async def _process(self, _: object, context: _Context) -> None:
        conversation = Conversation(self._chains, _told(context, ROUTE_KEY))
        self._in_flight.add(1)
        try:
            await self._converse(conversation, context)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - a stream that ends cleanly would let its request through
            await _abort(context, error)
        finally:
            conversation.close()
            self._in_flight.add(-1)

    async def _converse(self, conversation: Conversation, context: _Context) -> None:
        while (message := await context.read()) is not grpc.aio.EOF:
            # The heart beats in the same loop, which many busy streams can keep from it.
            self._metrics.beat(time.monotonic())
            answer = conversation.receive(_parsed(message))
            while isinstance(answer, Wait):
                await answer.settle()
                answer = conversation.resume()
            await self._write(conversation, context, answer)
            # The next message can be a long time coming: a body is not kept for it.
            del message, answer
        if conversation.undecided:
            # A clean end here would let the request through.
            await context.abort(grpc.StatusCode.INTERNAL, "ended before a decision")

    async def _write(self, conversation: Conversation, context: _Context, answer: ProcessingResponse) -> None:
        rest, conversation.rest = conversation.rest, ()
        try:
            for one in (answer, *rest):
                await context.write(one)
        except grpc.aio.BaseError as error:
            conversation.lose()
            raise _LostError from error

    async def _check(self, message: CheckRequest | None, context: _Context) -> CheckResponse:
        check = Check(self._chains, _told(context, ROUTE_KEY), _told(context, CLIENT_KEY))
        self._in_flight.add(1)
        try:
            answer = check.receive(_parsed(message))
            while isinstance(answer, Wait):
                await answer.settle()
                answer = check.resume()
            return answer
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            await _abort(context, error)
            raise
        finally:
            check.close()
            self._in_flight.add(-1)

    async def _tell_health(self, _: HealthCheckRequest | None, __: _Context) -> HealthCheckResponse:
        serving = HealthCheckResponse.SERVING if self._serving else HealthCheckResponse.NOT_SERVING
        return HealthCheckResponse(status=serving)


class _LostError(Exception):
    """An answer could not be written: the stream is gone."""


def _service(name: str, methods: dict[str, "grpc.RpcMethodHandler[Any, Any]"]) -> grpc.GenericRpcHandler:
    return grpc.method_handlers_generic_handler(name, methods)


def _told(context: _Context, name: str) -> str | None:
    """What Envoy tells in the gRPC initial metadata."""
    for key, value in context.invocation_metadata() or ():
        if key == name:
            return value if isinstance(value, str) else value.decode(errors="replace")
    return None


def _parser(kind: type[_MessageT]) -> Callable[[bytes], _MessageT | None]:
    """Parses, and gives None for odd bytes: an exception here would be logged by grpcio with a traceback."""

    def parse(raw: bytes) -> _MessageT | None:
        try:
            return kind.FromString(raw)
        except DecodeError:
            return None

    return parse


def _parsed(message: _MessageT | None) -> _MessageT:
    if message is None:
        raise ProtocolError("a message that is no protobuf of its kind")
    return message


async def _abort(context: _Context, error: BaseException) -> None:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if isinstance(error, _LostError):
        # Downstream left while it was answered: as ordinary as leaving at any other time.
        with suppress(grpc.aio.UsageError):
            await context.abort(grpc.StatusCode.CANCELLED, "lost")
        return
    if isinstance(error, ProtocolError):
        _log.warning("stream refused: %s", error)
    else:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        _log.error("stream failed at %s:%s: %s", Path(frame.filename).name, frame.lineno, type(error).__name__)
    await context.abort(grpc.StatusCode.INTERNAL, "refused by outrider")
