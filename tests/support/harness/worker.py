"""A worker's gRPC server in this process, by either transport, with a real gRPC client, over a unix socket."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import grpc
import pytest

from harness.chains import chain
from outrider import Plugin
from outrider.metrics import Metrics
from outrider_envoy.calls import CHECK, HEALTH, PROCESS
from outrider_envoy.engine.limits import Limits
from outrider_envoy.engine.server import EngineServer
from outrider_envoy.grpcio_server import GrpcioServer
from outrider_envoy.proto.ext_proc_pb2 import ProcessingRequest, ProcessingResponse
from outrider_envoy.selection import Chains

__all__ = ["CHECK", "HEALTH", "PROCESS"]

ENGINE, GRPCIO = TRANSPORTS = ("engine", "grpcio")
both_transports = pytest.mark.parametrize("transport", TRANSPORTS)
"""The same must hold of both: grpcio is what the engine is held against."""
ORDERS = (("outrider-route", "orders"),)
NO_PROTOBUF = b"\xff\xff\xff"


@dataclass
class Worker:
    """A server, and a channel to it."""

    server: GrpcioServer | EngineServer
    channel: grpc.aio.Channel
    metrics: Metrics
    address: str

    def stream(self, metadata: tuple[tuple[str, str], ...] = ORDERS) -> "grpc.aio.StreamStreamCall[Any, Any]":
        """A stream of raw bytes."""
        prepared: grpc.aio.StreamStreamMultiCallable[Any, Any] = self.channel.stream_stream(PROCESS)
        return prepared(metadata=metadata)

    def call(self, method: str, message: bytes) -> "grpc.aio.UnaryUnaryCall[Any, Any]":
        """A call of raw bytes."""
        prepared: grpc.aio.UnaryUnaryMultiCallable[Any, Any] = self.channel.unary_unary(method)
        return prepared(message, metadata=ORDERS)

    @property
    def in_flight(self) -> float:
        return self.metrics.gauge("outrider_requests_in_flight", "Requests that plugins are at work on.").value


async def told(stream: "grpc.aio.StreamStreamCall[Any, Any]", message: ProcessingRequest) -> ProcessingResponse:
    await stream.write(message.SerializeToString())
    return ProcessingResponse.FromString(cast("bytes", await stream.read()))


async def done(stream: "grpc.aio.StreamStreamCall[Any, Any]") -> None:
    await stream.done_writing()
    assert await stream.read() is grpc.aio.EOF
    assert await stream.code() is grpc.StatusCode.OK


async def settled(condition: Callable[[], bool]) -> None:
    """Lets the server's tasks run until something is so."""
    while not condition():
        await asyncio.sleep(0)


@asynccontextmanager
async def serving(transport: str, *plugins: Plugin, limits: Limits | None = None) -> AsyncGenerator[Worker]:
    metrics = Metrics(slots=1 << 12)
    server = made(transport, Chains([chain(*plugins)], ()), metrics, limits)
    # Not tmp_path: a unix socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="outrider-") as folder:
        address = f"unix:{Path(folder) / 'socket'}"
        await server.start(address)
        async with channel(address) as first:
            yield Worker(server, first, metrics, address)
        await server.drain(0)


def made(
    transport: str, chains: Chains, metrics: Metrics, limits: Limits | None = None
) -> GrpcioServer | EngineServer:
    """A server that does not listen yet. grpcio has no `limits` of its own."""
    return EngineServer(chains, metrics, limits) if transport == ENGINE else GrpcioServer(chains, metrics)


def channel(address: str) -> grpc.aio.Channel:
    """A connection of its own, as one of Envoy's threads has."""
    options = [
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    return grpc.aio.insecure_channel(address, options=options)


def served(
    transport: str, test: Callable[[Worker], Awaitable[None]], *plugins: Plugin, limits: Limits | None = None
) -> None:
    async def run() -> None:
        async with serving(transport, *plugins, limits=limits) as worker:
            await asyncio.wait_for(test(worker), 20)

    # uvloop, which a worker's process has, now and then can't be closed once grpcio's client was on it.
    asyncio.run(run())
