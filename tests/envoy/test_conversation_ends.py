"""Streams that end at any point: Envoy closes and cancels them at random, and both are normal."""

import asyncio
import gc
import weakref

import pytest

from harness import ask
from harness.chains import HookFunction, acts, acts_in, returns
from harness.streams import Stream
from outrider import LogRecord, Plugin, Request, Response
from outrider_envoy.proto.ext_proc_pb2 import ProcessingRequest

PHASES = ["on_request", "on_request_body", "on_response", "on_response_body"]


class Trace:
    """What the hooks of one request did, and an object that only this request holds."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.alive: list[weakref.ref[Trace]] = []

    def hold(self, request: Request) -> None:
        held = Trace()
        self.alive.append(weakref.ref(held))
        request.context["held"] = held

    @property
    def leaks(self) -> bool:
        gc.collect()
        return any(held() is not None for held in self.alive)


def traced(trace: Trace, waits_in: str = "") -> Plugin:
    """Runs in every phase and waits for ever in one."""

    def hook(name: str) -> HookFunction:
        async def waits() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                trace.said.append(f"finally {name}")

        def runs(request: Request, *_: object) -> object:
            trace.said.append(name)
            trace.hold(request)
            return waits() if waits_in == name else None

        return runs

    def hears(_: Request, log: LogRecord) -> None:
        trace.said.append(log.ending)

    return acts_in({"on_log": hears, **{name: hook(name) for name in PHASES}})


ALL = [ask.request_headers(), ask.request_body(b"in"), ask.response_headers(), ask.response_body(b"out")]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param(0, [], id="before any message"),
        # It waited for the body: it has decided nothing, and hears nothing.
        pytest.param(1, ["on_request"], id="while a body is waited for"),
        pytest.param(2, [*PHASES[:2], "aborted"], id="while upstream works"),
        pytest.param(3, [*PHASES[:3], "aborted"], id="while the response's body is waited for"),
        pytest.param(4, [*PHASES, "passed"], id="at the end"),
    ],
)
def test_a_stream_may_end_after_any_message(messages: int, expected: list[str]) -> None:
    trace = Trace()
    stream = Stream(traced(trace))
    ends(stream, ALL[:messages], "closed")
    assert trace.said == expected
    del stream
    assert not trace.leaks


def ends(stream: Stream, messages: list[ProcessingRequest], how: str) -> None:
    """Tells the messages, then ends the stream as grpcio does: the hook that waits is cancelled, or just closed."""

    async def serve() -> None:
        try:
            for message in messages:
                await stream.tell(message)
        finally:
            stream.close()

    async def cancel() -> None:
        task = asyncio.create_task(serve())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    async def close() -> None:
        for message in messages:
            stream.conversation.receive(message)
        stream.close()

    asyncio.run(cancel() if how == "cancelled" else close())


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("how", ["cancelled", "closed"])
def test_a_stream_may_end_while_a_hook_waits(phase: str, how: str) -> None:
    trace, others = Trace(), Trace()
    stream = Stream(traced(others), traced(trace, waits_in=phase))
    number = PHASES.index(phase) + 1
    # Its turn comes when the one before it has seen the body.
    ends(stream, ALL[: max(number, 2)], how)
    heard = ["aborted"] if phase.startswith("on_response") else []
    assert trace.said == [*PHASES[:number], f"finally {phase}", *heard]
    assert (others.said[-1], others.said.count("aborted")) == ("aborted", 1)
    del stream
    assert not trace.leaks
    assert not others.leaks


@pytest.mark.parametrize("made_of_it", ["swallows", "fails", "waits again", "exits"])
@pytest.mark.parametrize("how", ["cancelled", "closed"])
def test_whatever_a_hook_makes_of_its_end_the_others_hear_theirs(
    made_of_it: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    endings: list[str] = []

    async def stubborn(_: Request) -> Response | None:
        try:
            await asyncio.Event().wait()
        except BaseException:
            match made_of_it:
                case "fails":
                    raise RuntimeError("secret") from None
                case "exits":
                    raise SystemExit("secret") from None
                case "waits again":
                    await asyncio.sleep(0)
                    raise
                case _:
                    return Response(200)
        return None

    first = acts(on_request=lambda _: None, on_log=lambda _, log: endings.append(log.ending))
    ends(Stream(first, acts(on_request=stubborn)), ALL[:1], how)
    assert len(endings) == 1
    assert "secret" not in caplog.text


def test_a_refused_stream_leaves_nothing_behind() -> None:
    trace = Trace()
    stream = Stream(traced(trace), acts(on_request_body=returns(Response(403))))
    ends(stream, ALL[:2], "closed")
    assert trace.said == ["on_request", "on_request_body", "on_response", "on_response_body", "replied"]
    del stream
    assert not trace.leaks


def test_a_stream_that_ended_in_a_message_that_makes_no_sense_was_aborted() -> None:
    trace = Trace()
    stream = Stream(traced(trace))
    stream.say(ALL[0], ALL[1], ask.request_headers())
    stream.close()
    assert trace.said == ["on_request", "on_request_body", "aborted"]


@pytest.mark.parametrize("nonsense", [ALL[0], ALL[2]], ids=["request headers", "response headers"])
def test_an_exchange_that_was_all_told_and_then_refused_was_aborted(nonsense: ProcessingRequest) -> None:
    trace = Trace()
    stream = Stream(traced(trace))
    assert stream.say(*ALL, nonsense).immediate_response.status.code == 500
    stream.close()
    assert trace.said == [*PHASES, "aborted"]


@pytest.mark.parametrize("messages", [ALL[2:], ALL[2:3]])
def test_a_stream_that_begins_with_the_response_runs_no_hook(messages: list[ProcessingRequest]) -> None:
    trace = Trace()
    stream = Stream(traced(trace))
    stream.say(*messages)
    stream.close()
    assert not trace.said
