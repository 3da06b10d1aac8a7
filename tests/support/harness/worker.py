"""A worker's gRPC server in this process, with a real gRPC client, over a unix socket."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import grpc

from harness.chains import chain
from outrider import Plugin
from outrider.metrics import Metrics
from outrider_envoy.proto.ext_proc_pb2 import ProcessingRequest, ProcessingResponse
from outrider_envoy.selection import Chains
from outrider_envoy.server import Server

PROCESS = "/envoy.service.ext_proc.v3.ExternalProcessor/Process"
CHECK = "/envoy.service.auth.v3.Authorization/Check"
HEALTH = "/grpc.health.v1.Health/Check"
ORDERS = (("outrider-route", "orders"),)
NO_PROTOBUF = b"\xff\xff\xff"


@dataclass
class Worker:
    """A server, and a channel to it."""

    server: Server
    channel: grpc.aio.Channel
    metrics: Metrics

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
async def serving(*plugins: Plugin) -> AsyncGenerator[Worker]:
    metrics = Metrics(slots=1 << 12)
    server = Server(Chains([chain(*plugins)], ()), metrics)
    # Not tmp_path: a unix socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="outrider-") as folder:
        address = f"unix:{Path(folder) / 'socket'}"
        await server.start(address)
        unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        async with grpc.aio.insecure_channel(address, options=unlimited) as channel:
            yield Worker(server, channel, metrics)
        await server.drain(0)


def served(test: Callable[[Worker], Awaitable[None]], *plugins: Plugin) -> None:
    async def run() -> None:
        async with serving(*plugins) as worker:
            await asyncio.wait_for(test(worker), 20)

    asyncio.run(run())
