"""The worker's gRPC server with a real gRPC client, over a unix socket."""

import asyncio

import grpc
import pytest

from harness import ask
from harness.chains import acts, passes
from harness.streams import is_untouched
from harness.worker import CHECK, NO_PROTOBUF, Worker, both_transports, done, made, served, settled, told
from outrider import Request, Response
from outrider.metrics import Metrics
from outrider_envoy.proto.ext_authz_pb2 import CheckResponse
from outrider_envoy.proto.ext_proc_pb2 import ProcessingRequest
from outrider_envoy.selection import Chains

pytestmark = both_transports

QUIET = acts(on_request=lambda _: None, on_response=passes)


def test_a_stream_is_answered_message_by_message_and_half_closed_cleanly(transport: str) -> None:
    endings: list[str] = []

    async def test(worker: Worker) -> None:
        stream = worker.stream()
        for message in (ask.request_headers(end=True), ask.response_headers(end=True)):
            assert is_untouched(await told(stream, message), message)
        await done(stream)
        await settled(lambda: bool(endings))

    served(transport, test, acts(on_request=lambda _: None, on_log=lambda _, log: endings.append(log.ending)))
    assert endings == ["passed"]


def test_a_stream_that_ends_before_its_first_message_does_not_end_cleanly(transport: str) -> None:
    """Envoy would let its request through."""

    async def test(worker: Worker) -> None:
        with pytest.raises(grpc.aio.AioRpcError, match="ended before a decision"):
            await done(worker.stream())

    served(transport, test, QUIET)


@pytest.mark.parametrize("raw", [NO_PROTOBUF, b"", ask.request_headers().SerializeToString()[:-1]])
@pytest.mark.parametrize("before", [[], [ask.request_headers()]])
def test_what_can_not_be_read_ends_the_stream_with_an_error_and_one_line(
    before: list[ProcessingRequest], raw: bytes, caplog: pytest.LogCaptureFixture, transport: str
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

    served(transport, test, QUIET)
    assert [(record.name, record.levelname) for record in caplog.records] == [("outrider.envoy", "WARNING")]
    assert "Traceback" not in caplog.text


def test_a_check_that_can_not_be_read_is_an_error_too(caplog: pytest.LogCaptureFixture, transport: str) -> None:
    async def test(worker: Worker) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await worker.call(CHECK, NO_PROTOBUF)
        assert raised.value.code() is grpc.StatusCode.INTERNAL
        answer = CheckResponse.FromString(await worker.call(CHECK, ask.check().SerializeToString()))
        assert answer.status.code == 0

    served(transport, test, QUIET)
    assert [(record.name, record.levelname) for record in caplog.records] == [("outrider.envoy", "WARNING")]


@pytest.mark.parametrize("before", [0, 1])
def test_a_cancelled_stream_ends_the_hook_that_waits(before: int, transport: str) -> None:
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

    served(transport, test, first, second)
    assert said == ["finally", "aborted"]


@pytest.mark.parametrize("cancels", [True, False])
def test_a_stream_that_ends_while_upstream_works_was_aborted(transport: str, *, cancels: bool) -> None:
    endings: list[str] = []

    async def test(worker: Worker) -> None:
        stream = worker.stream()
        await told(stream, ask.request_headers())
        if cancels:
            stream.cancel()
        else:
            await stream.done_writing()
        await settled(lambda: bool(endings) and worker.in_flight == 0)

    served(transport, test, acts(on_request=lambda _: None, on_log=lambda _, log: endings.append(log.ending)))
    assert endings == ["aborted"]


def test_a_stream_that_is_left_is_no_error_in_the_log(caplog: pytest.LogCaptureFixture, transport: str) -> None:
    async def test(worker: Worker) -> None:
        stream = worker.stream()
        await told(stream, ask.request_headers())
        stream.cancel()
        await settled(lambda: worker.in_flight == 0)

    served(transport, test, QUIET)
    assert not caplog.records


def test_a_fault_in_the_adapter_itself_ends_the_stream_with_an_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, transport: str
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
    served(transport, test, QUIET)
    (record,) = caplog.records
    assert record.getMessage().startswith("stream failed at test_server.py:")
    assert "secret" not in caplog.text


def test_a_stream_without_a_route_is_refused_not_passed(transport: str) -> None:
    async def test(worker: Worker) -> None:
        for metadata, status in (((), 404), ((("outrider-route", "nowhere"),), 500)):
            stream = worker.stream(metadata)
            answer = await told(stream, ask.request_headers())
            assert answer.immediate_response.status.code == status
            await done(stream)

    served(transport, test, QUIET)


def test_a_check_waits_for_an_async_hook_and_its_cancel_ends_it(transport: str) -> None:
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
        call = worker.call(CHECK, ask.check().SerializeToString())
        await waiting.wait()
        call.cancel()
        await settled(lambda: bool(said) and worker.in_flight == 0)

    served(transport, test, acts(on_request=waits))
    assert said == ["finally"]


def test_an_address_that_can_not_be_had_is_an_error(transport: str) -> None:
    async def run() -> None:
        server = made(transport, Chains([], ()), Metrics(slots=1 << 12))
        with pytest.raises((RuntimeError, OSError)):
            await server.start("unix:/nowhere/to/be/found/socket")

    asyncio.run(run())
