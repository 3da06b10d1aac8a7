"""How much the worker's gRPC server takes at once, and how it stops."""

import asyncio
from dataclasses import replace

import grpc
import pytest

from harness import ask
from harness.chains import acts, passes
from harness.streams import is_untouched
from harness.worker import ENGINE, HEALTH, Worker, both_transports, channel, done, served, settled, told
from outrider import Request
from outrider_envoy import grpcio_server as server_module
from outrider_envoy.engine.limits import Limits
from outrider_envoy.limits import BODY_LIMIT
from outrider_envoy.proto.health_pb2 import HealthCheckResponse

QUIET = acts(on_request=lambda _: None, on_response=passes)


@both_transports
def test_many_streams_are_served_at_once(transport: str) -> None:
    async def test(worker: Worker) -> None:
        streams = [worker.stream() for _ in range(50)]
        answers = await asyncio.gather(*(told(stream, ask.request_headers()) for stream in streams))
        assert all(answer.HasField("request_headers") for answer in answers)
        assert worker.in_flight == 50
        await asyncio.gather(*map(done, streams))

    served(transport, test, QUIET)


@both_transports
def test_a_body_of_the_largest_size_arrives_whole(transport: str) -> None:
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

    served(transport, test, acts(on_request_body=replaces))
    assert sizes == [BODY_LIMIT]


@both_transports
def test_one_stream_too_many_is_refused(monkeypatch: pytest.MonkeyPatch, transport: str) -> None:
    """Over all connections: on one of them, a client keeps to the number that was announced."""
    monkeypatch.setattr(server_module, "STREAM_LIMIT", 2)

    async def test(worker: Worker) -> None:
        held = [worker.stream() for _ in range(2)]
        for stream in held:
            await told(stream, ask.request_headers())
        async with channel(worker.address) as second:
            other = replace(worker, channel=second)
            # One that is written to meanwhile may have an error of its client's own.
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await other.stream().read()
            assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            await asyncio.gather(*map(done, held))
            await settled(lambda: worker.in_flight == 0)
            another = other.stream()
            assert (await told(another, ask.request_headers())).HasField("request_headers")
            await done(another)

    served(transport, test, QUIET, limits=Limits(streams=2))


def test_connections_beyond_the_limit_are_closed_as_they_come() -> None:
    async def test(worker: Worker) -> None:
        first = worker.stream()
        await told(first, ask.request_headers())
        path = worker.address.removeprefix("unix:")
        reader, writer = await asyncio.open_unix_connection(path)
        assert await reader.read() == b""
        writer.close()
        await done(first)

    served(ENGINE, test, QUIET, limits=Limits(connections=1))


async def is_taken(worker: Worker) -> bool:
    stream = worker.stream()
    try:
        await told(stream, ask.request_headers())
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        # Which one depends on whether the server has told the client already that it goes.
        assert await stream.code() is not grpc.StatusCode.OK
        return False
    await done(stream)
    return True


async def never_serving(worker: Worker) -> None:
    while True:
        answer = HealthCheckResponse.FromString(await worker.call(HEALTH, b""))
        assert answer.status == HealthCheckResponse.NOT_SERVING


@both_transports
def test_a_server_that_drains_finishes_what_is_in_flight_and_takes_nothing_new(transport: str) -> None:
    async def test(worker: Worker) -> None:
        stream = worker.stream()
        await told(stream, ask.request_headers())
        draining = asyncio.create_task(worker.server.drain(10))
        await asyncio.sleep(0)
        # A call that crosses the news of the end may still be served.
        while await is_taken(worker):
            pass
        answer = ask.response_headers()
        assert is_untouched(await told(stream, answer), answer)
        assert not draining.done()
        await done(stream)
        await draining

    served(transport, test, QUIET)


@both_transports
def test_a_server_that_drains_cuts_off_what_does_not_end(transport: str) -> None:
    endings: list[str] = []

    async def test(worker: Worker) -> None:
        stream = worker.stream()
        await told(stream, ask.request_headers())
        await worker.server.drain(0.01)
        await settled(lambda: bool(endings))
        assert await stream.code() is not grpc.StatusCode.OK

    served(transport, test, acts(on_request=lambda _: None, on_log=lambda _, log: endings.append(log.ending)))
    assert endings == ["aborted"]


@both_transports
def test_health_says_serving_and_not_any_more_when_the_server_drains(transport: str) -> None:
    async def test(worker: Worker) -> None:
        answer = HealthCheckResponse.FromString(await worker.call(HEALTH, b""))
        assert answer.status == HealthCheckResponse.SERVING
        held = worker.stream()
        await told(held, ask.request_headers())
        draining = asyncio.create_task(worker.server.drain(10))
        await asyncio.sleep(0)
        # In the end it takes no new calls at all.
        with pytest.raises(grpc.aio.AioRpcError):
            await never_serving(worker)
        await done(held)
        await draining

    served(transport, test, QUIET)
