"""The worker's gRPC server on grpcio's asyncio transport: slower than the engine, and what it is held against."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import grpc

from outrider.grpc_status import GrpcStatus
from outrider.metrics import Metrics
from outrider.pressure import Pressure
from outrider.waiting import Wait
from outrider_envoy.calls import OK, Call, Calls, Status, failed
from outrider_envoy.limits import MESSAGE_LIMIT, STREAM_LIMIT
from outrider_envoy.rate_limit_service import RateLimits
from outrider_envoy.selection import Chains

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class GrpcioServer:
    """Serves ext_proc, ext_authz, the rate limit service and health checks on one address, as `unix:/run/w0.sock`.

    With `credentials` it speaks TLS.
    """

    def __init__(
        self,
        chains: Chains,
        metrics: Metrics,
        rate_limits: RateLimits | None = None,
        pressure: Pressure | None = None,
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        self._credentials = credentials
        self._calls = Calls(chains, metrics, rate_limits, pressure)
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", MESSAGE_LIMIT),
                ("grpc.max_send_message_length", MESSAGE_LIMIT),
                ("grpc.so_reuseport", 0),
            ],
            maximum_concurrent_rpcs=STREAM_LIMIT,
        )
        self._server.add_generic_rpc_handlers((_Handler(self._calls),))

    async def start(self, address: str) -> int:
        """Listens; returns the port, or 1 for a unix socket. Raises `OSError` if the address can't be had."""
        try:
            port = self._port(address)
        except RuntimeError as error:
            # Its text names places in grpcio.
            raise OSError from error
        await self._server.start()
        self._calls.serving = True
        return port

    def _port(self, address: str) -> int:
        if self._credentials is None:
            return self._server.add_insecure_port(address)
        return self._server.add_secure_port(address, self._credentials)

    async def drain(self, seconds: float) -> None:
        """Takes no new streams, lets those in flight finish, and cuts off what is left after `seconds`."""
        self._calls.serving = False
        await self._server.stop(seconds)


class _Handler(grpc.GenericRpcHandler):
    """Every method in bytes and as a stream: on the wire one message each way looks the same."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any]":
        path = handler_call_details.method

        async def serve(_: object, context: _Context) -> None:
            call = self._calls.open(path, _metadata(context))
            if isinstance(call, Status):
                await context.abort(_CODES[call.code], call.message)
            else:
                await _serve(call, context)

        return grpc.stream_stream_rpc_method_handler(serve)


async def _serve(call: Call, context: _Context) -> None:
    lost = False
    try:
        status = await _converse(call, context)
    except asyncio.CancelledError:
        raise
    except _LostError:
        # Downstream left while it was answered: as ordinary as leaving at any other time.
        lost, status = True, Status(GrpcStatus.CANCELLED, "lost")
    except BaseException as error:  # noqa: BLE001 - a stream that ends cleanly would let its request through
        status = failed(error)
    finally:
        call.close(lost=lost)
    if status != OK:
        with suppress(grpc.aio.UsageError):
            await context.abort(_CODES[status.code], status.message)


async def _converse(call: Call, context: _Context) -> Status:
    while (message := await context.read()) is not grpc.aio.EOF:
        answers = call.receive(message)
        while isinstance(answers, Wait):
            await answers.settle()
            answers = call.resume()
        await _write(answers, context)
        # The next message can be a long time coming: a body is not kept for it.
        del message, answers
    return call.half_close()


async def _write(answers: Sequence[bytes], context: _Context) -> None:
    try:
        for answer in answers:
            await context.write(answer)
    except grpc.aio.BaseError as error:
        raise _LostError from error


class _LostError(Exception):
    """An answer could not be written: the stream is gone."""


def _metadata(context: _Context) -> Mapping[str, str]:
    """What Envoy tells in the gRPC initial metadata; of a name that comes twice the first value counts."""
    told: dict[str, str] = {}
    for key, value in context.invocation_metadata() or ():
        told.setdefault(key, value if isinstance(value, str) else value.decode(errors="replace"))
    return told
