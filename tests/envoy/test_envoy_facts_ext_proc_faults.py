"""What Envoy does when an ext_proc server errs, is silent, or is not there."""

from collections.abc import Iterator

import pytest
from google.protobuf.duration_pb2 import Duration

from harness.bootstrap import Config, cluster, ext_proc, mode
from harness.gateway import Start
from harness.http1 import request
from harness.say import proceed, request_body, request_headers, response_headers
from harness.scripted import Messages, Processor, answers, closes, hangs
from harness.upstream import Upstream
from outrider_envoy.proto.ext_proc_pb2 import ProcessingResponse

HEADERS = mode(request_header_mode="SEND")
BOTH = mode(request_header_mode="SEND", response_header_mode="SEND")
NOWHERE = cluster("processor", "/nowhere", http2=True)


def fails(messages: Messages) -> Iterator[ProcessingResponse]:
    """Ends the stream with a gRPC error."""
    next(messages)
    yield from ()
    message = "the script failed, as it should"
    raise RuntimeError(message)


FAULTS = {
    "wrong kind": answers(request_body()),
    "a kind that was not asked for": answers(response_headers()),
    "empty": answers(ProcessingResponse()),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize(("lenient", "status"), [(False, 500), (True, 200)])
def test_an_answer_that_does_not_fit_is_500_or_passes_with_failure_mode_allow(
    start: Start, processor: Processor, upstream: Upstream, name: str, *, lenient: bool, status: int
) -> None:
    port = start(ext_proc(processing_mode=HEADERS, failure_mode_allow=lenient))
    processor.script = FAULTS[name]
    assert request(port).status == status
    assert len(upstream.requests) == (1 if lenient else 0)


@pytest.mark.parametrize(("lenient", "status"), [(False, 500), (True, 200)])
def test_two_answers_to_one_message_are_500_or_pass_with_failure_mode_allow(
    start: Start, processor: Processor, upstream: Upstream, *, lenient: bool, status: int
) -> None:
    port = start(ext_proc(processing_mode=BOTH, failure_mode_allow=lenient))

    def answers_twice(messages: Messages) -> Iterator[ProcessingResponse]:
        message = next(messages)
        try:
            yield proceed(message)
            yield proceed(message)
        finally:
            # Upstream answers only after the second answer was seen, which may end this generator too.
            processor.stream.done.wait(10)
            upstream.gate.set()

    upstream.gate.clear()
    processor.script = answers_twice
    assert request(port).status == status


@pytest.mark.parametrize("lenient", [False, True])
def test_a_clean_close_without_an_answer_lets_the_request_pass(
    start: Start, processor: Processor, upstream: Upstream, *, lenient: bool
) -> None:
    port = start(ext_proc(processing_mode=HEADERS, failure_mode_allow=lenient))
    processor.script = closes
    assert request(port).status == 200
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(("lenient", "status"), [(False, 500), (True, 200)])
def test_a_grpc_error_is_500_or_passes_with_failure_mode_allow(
    start: Start, processor: Processor, *, lenient: bool, status: int
) -> None:
    port = start(ext_proc(processing_mode=HEADERS, failure_mode_allow=lenient))
    processor.script = fails
    assert request(port).status == status


def test_status_on_error_replaces_the_500(start: Start, processor: Processor) -> None:
    port = start(ext_proc(processing_mode=HEADERS, status_on_error={"code": 503}))
    processor.script = fails
    assert request(port).status == 503


@pytest.mark.parametrize("extra", [{}, {"status_on_error": {"code": 503}}], ids=["", "status_on_error"])
def test_no_answer_in_time_is_504_whatever_status_on_error_says(
    start: Start, processor: Processor, upstream: Upstream, extra: Config
) -> None:
    port = start(ext_proc(processing_mode=HEADERS, message_timeout="0.05s", **extra))
    processor.script = hangs
    assert request(port).status == 504
    assert upstream.requests == []


def test_no_answer_in_time_passes_with_failure_mode_allow(start: Start, processor: Processor) -> None:
    port = start(ext_proc(processing_mode=HEADERS, message_timeout="0.05s", failure_mode_allow=True))
    processor.script = hangs
    assert request(port).status == 200


def test_the_default_message_timeout_applies_when_none_is_set(start: Start, processor: Processor) -> None:
    port = start(ext_proc(processing_mode=HEADERS, message_timeout=None))
    processor.script = hangs
    assert request(port).status == 504


@pytest.mark.parametrize(
    ("extra", "status"),
    [({}, 504), ({"max_message_timeout": "20s"}, 200)],
    ids=["no max_message_timeout", "max_message_timeout"],
)
def test_override_message_timeout_is_ignored_unless_a_maximum_is_set(
    start: Start, processor: Processor, extra: Config, status: int
) -> None:
    port = start(ext_proc(processing_mode=HEADERS, message_timeout="0.4s", **extra))

    def asks_for_more(messages: Messages) -> Iterator[ProcessingResponse]:
        next(messages)
        yield ProcessingResponse(override_message_timeout=Duration(seconds=10))
        # Until Envoy gave up, or long after it would have.
        processor.stream.done.wait(0.8)
        yield request_headers()

    processor.script = asks_for_more
    assert request(port).status == status


@pytest.mark.parametrize("lenient", [False, True])
def test_an_unreachable_server_is_500_or_passes_with_failure_mode_allow(
    start: Start, upstream: Upstream, *, lenient: bool
) -> None:
    port = start(ext_proc(processing_mode=HEADERS, failure_mode_allow=lenient), clusters=[NOWHERE])
    assert request(port).status == (200 if lenient else 500)
    assert len(upstream.requests) == (1 if lenient else 0)
