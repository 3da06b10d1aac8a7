"""The worker's gRPC server with a real gRPC client, over a unix socket."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from harness import ask
from harness.chains import acts, chain
from harness.streams import is_untouched
from outrider import Plugin, Request, Response
from outrider.metrics import Metrics
from outrider_envoy import server as server_module
from outrider_envoy.proto.ext_authz_pb2 import CheckResponse
from outrider_envoy.proto.ext_proc_pb2 import ProcessingRequest, ProcessingResponse
from outrider_envoy.proto.health_pb2 import HealthCheckResponse
from outrider_envoy.selection import Chains
from outrider_envoy.server import BODY_LIMIT, Server

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
        return self.channel.stream_stream(PROCESS)(metadata=metadata)

    async def call(self, method: str, message: bytes) -> bytes:
        answer: bytes = await self.channel.unary_unary(method)(message, metadata=ORDERS)
        return answer

    @property
    def in_flight(self) -> float:
        return self.metrics.gauge("outrider_requests_in_flight", "Requests that plugins are at work on.").value


async def told(stream: "grpc.aio.StreamStreamCall[Any, Any]", message: ProcessingRequest) -> ProcessingResponse:
    await stream.write(message.SerializeToString())
    return ProcessingResponse.FromString(await stream.read())


async def done(stream: "grpc.aio.StreamStreamCall[Any, Any]") -> None:
    await stream.done_writing()
    assert await stream.read() is grpc.aio.EOF
    assert await stream.code() is grpc.StatusCode.OK


async def settled(condition: Callable[[], bool]) -> None:
    """Lets the server's tasks run until something is so."""
    while not condition():
        await asyncio.sleep(0)


@asynccontextmanager
async def serving(*plugins: Plugin) -> AsyncIterator[Worker]:
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


QUIET = acts(on_request=lambda _: None, on_response=lambda *_: None)


def test_a_stream_is_answered_message_by_message_and_half_closed_cleanly() -> None:
    endings: list[str] = []

    async def test(worker: Worker) -> None:
        stream = worker.stream()
        for message in (ask.request_headers(end=True), ask.response_headers(end=True)):
            assert is_untouched(await told(stream, message), message)
        await done(stream)
        await settled(lambda: bool(endings))

    served(test, acts(on_request=lambda _: None, on_log=lambda _, log: endings.append(log.ending)))
    assert endings == ["passed"]


def test_an_empty_stream_does_nothing() -> None:
    async def test(worker: Worker) -> None:
        await done(worker.stream())

    served(test, QUIET)


@pytest.mark.parametrize("raw", [NO_PROTOBUF, b"", ask.request_headers().SerializeToString()[:-1]])
@pytest.mark.parametrize("before", [[], [ask.request_headers()]])
def test_what_can_not_be_read_ends_the_stream_with_an_error_and_one_line(
    before: list[ProcessingRequest], raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A clean end without an answer would let the request through."""

    async def test(worker: Worker) -> None:
        stream = worker.stream()
        for message in before:
            await told(stream, message)
        await stream.write(raw)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stream.read()
        assert raised.value.code() is grpc.StatusCode.INTERNAL
        another, message = worker.stream(), ask.request_headers()
        assert is_untouched(await told(another, message), message)
        await done(another)
        await settled(lambda: worker.in_flight == 0)

    served(test, QUIET)
    assert [(record.name, record.levelname) for record in caplog.records] == [("outrider.envoy", "WARNING")]
    assert "Traceback" not in caplog.text


def test_a_check_that_can_not_be_read_is_an_error_too(caplog: pytest.LogCaptureFixture) -> None:
    async def test(worker: Worker) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await worker.call(CHECK, NO_PROTOBUF)
        assert raised.value.code() is grpc.StatusCode.INTERNAL
        answer = CheckResponse.FromString(await worker.call(CHECK, ask.check().SerializeToString()))
        assert answer.status.code == 0

    served(test, QUIET)
    assert [(record.name, record.levelname) for record in caplog.records] == [("outrider.envoy", "WARNING")]


@pytest.mark.parametrize("before", [0, 1])
def test_a_cancelled_stream_ends_the_hook_that_waits(before: int) -> None:
    said: list[str] = []
    waiting = asyncio.Event()

    async def waits(*_: object) -> None:
        waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            said.append("finally")

    first = acts(on_request=lambda _: None, on_log=lambda _, log: said.append(log.ending))
    second = acts(on_request=waits) if not before else acts(on_request=lambda _: None, on_response=waits)

    async def test(worker: Worker) -> None:
        stream = worker.stream()
        for message in [ask.request_headers(), ask.response_headers()][:before]:
            await told(stream, message)
        await stream.write([ask.request_headers(), ask.response_headers()][before].SerializeToString())
        await waiting.wait()
        stream.cancel()
        await settled(lambda: len(said) == 2 and worker.in_flight == 0)

    served(test, first, second)
    assert said == ["finally", "aborted"]


@pytest.mark.parametrize("cancels", [True, False])
def test_a_stream_that_ends_while_upstream_works_was_aborted(cancels: bool) -> None:  # noqa: FBT001
    endings: list[str] = []

    async def test(worker: Worker) -> None:
        stream = worker.stream()
        await told(stream, ask.request_headers())
        if cancels:
            stream.cancel()
        else:
            await stream.done_writing()
        await settled(lambda: bool(endings) and worker.in_flight == 0)

    served(test, acts(on_request=lambda _: None, on_log=lambda _, log: endings.append(log.ending)))
    assert endings == ["aborted"]


def test_a_stream_that_is_left_is_no_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def test(worker: Worker) -> None:
        stream = worker.stream()
        await told(stream, ask.request_headers())
        stream.cancel()
        await settled(lambda: worker.in_flight == 0)

    served(test, QUIET)
    assert not caplog.records


def test_a_fault_in_the_adapter_itself_ends_the_stream_with_an_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("secret")

    async def test(worker: Worker) -> None:
        stream = worker.stream()
        await stream.write(ask.request_headers().SerializeToString())
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stream.read()
        assert raised.value.code() is grpc.StatusCode.INTERNAL
        assert "secret" not in str(raised.value.details())

    monkeypatch.setattr(Chains, "find", breaks)
    served(test, QUIET)
    (record,) = caplog.records
    assert record.getMessage().startswith("stream failed at test_server.py:")
    assert "secret" not in caplog.text


def test_a_stream_without_a_route_is_refused_not_passed() -> None:
    async def test(worker: Worker) -> None:
        for metadata, status in (((), 404), ((("outrider-route", "nowhere"),), 500)):
            stream = worker.stream(metadata)
            answer = await told(stream, ask.request_headers())
            assert answer.immediate_response.status.code == status
            await done(stream)

    served(test, QUIET)


def test_many_streams_are_served_at_once() -> None:
    async def test(worker: Worker) -> None:
        streams = [worker.stream() for _ in range(50)]
        answers = await asyncio.gather(*(told(stream, ask.request_headers()) for stream in streams))
        assert all(answer.HasField("request_headers") for answer in answers)
        assert worker.in_flight == 50
        await asyncio.gather(*map(done, streams))

    served(test, QUIET)


def test_a_body_of_the_largest_size_arrives_whole() -> None:
    sizes: list[int] = []

    async def test(worker: Worker) -> None:
        stream = worker.stream()
        await told(stream, ask.request_headers())
        answer = await told(stream, ask.request_body(b"x" * BODY_LIMIT))
        assert answer.request_body.response.body_mutation.body == b"y" * BODY_LIMIT
        await done(stream)

    def replaces(_: Request, body: bytes) -> bytes:
        sizes.append(len(body))
        return b"y" * len(body)

    served(test, acts(on_request_body=replaces))
    assert sizes == [BODY_LIMIT]


def test_one_stream_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "STREAM_LIMIT", 2)

    async def test(worker: Worker) -> None:
        held = [worker.stream() for _ in range(2)]
        for stream in held:
            await told(stream, ask.request_headers())
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await told(worker.stream(), ask.request_headers())
        assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await asyncio.gather(*map(done, held))
        await settled(lambda: worker.in_flight == 0)
        another = worker.stream()
        assert (await told(another, ask.request_headers())).HasField("request_headers")
        await done(another)

    served(test, QUIET)


def test_a_server_that_drains_finishes_what_is_in_flight_and_takes_nothing_new() -> None:
    async def test(worker: Worker) -> None:
        stream = worker.stream()
        await told(stream, ask.request_headers())
        draining = asyncio.create_task(worker.server.drain(10))
        await asyncio.sleep(0)
        refused = worker.stream()
        with pytest.raises((grpc.aio.AioRpcError, asyncio.InvalidStateError)):
            await told(refused, ask.request_headers())
        # Which one depends on whether the server has told the client already that it goes.
        assert await refused.code() is not grpc.StatusCode.OK
        answer = ask.response_headers()
        assert is_untouched(await told(stream, answer), answer)
        assert not draining.done()
        await done(stream)
        await draining

    served(test, QUIET)


def test_a_server_that_drains_cuts_off_what_does_not_end() -> None:
    endings: list[str] = []

    async def test(worker: Worker) -> None:
        stream = worker.stream()
        await told(stream, ask.request_headers())
        await worker.server.drain(0.01)
        await settled(lambda: bool(endings))
        assert await stream.code() is not grpc.StatusCode.OK

    served(test, acts(on_request=lambda _: None, on_log=lambda _, log: endings.append(log.ending)))
    assert endings == ["aborted"]


def test_health_says_serving_and_not_any_more_when_the_server_drains() -> None:
    async def test(worker: Worker) -> None:
        answer = HealthCheckResponse.FromString(await worker.call(HEALTH, b""))
        assert answer.status == HealthCheckResponse.SERVING
        held = worker.stream()
        await told(held, ask.request_headers())
        draining = asyncio.create_task(worker.server.drain(10))
        await asyncio.sleep(0)
        # It takes no new calls at all.
        with pytest.raises(grpc.aio.AioRpcError):
            await worker.call(HEALTH, b"")
        await done(held)
        await draining

    served(test, QUIET)


def test_a_check_waits_for_an_async_hook_and_its_cancel_ends_it() -> None:
    said: list[str] = []
    waiting = asyncio.Event()

    async def waits(request: Request) -> Response | None:
        if request.path == "/quick":
            await asyncio.sleep(0)
            return Response(418)
        waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            said.append("finally")
        return None

    async def test(worker: Worker) -> None:
        raw = await worker.call(CHECK, ask.check(path="/quick").SerializeToString())
        assert CheckResponse.FromString(raw).denied_response.status.code == 418
        call = worker.channel.unary_unary(CHECK)(ask.check().SerializeToString(), metadata=ORDERS)
        await waiting.wait()
        call.cancel()
        await settled(lambda: bool(said) and worker.in_flight == 0)

    served(test, acts(on_request=waits))
    assert said == ["finally"]


def test_an_address_that_can_not_be_had_is_an_error() -> None:
    async def run() -> None:
        server = Server(Chains([], ()), Metrics(slots=1 << 12))
        with pytest.raises(RuntimeError):
            await server.start("unix:/nowhere/to/be/found/socket")

    asyncio.run(run())
