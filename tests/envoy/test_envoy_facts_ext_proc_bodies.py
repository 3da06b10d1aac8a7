"""Whole bodies (BUFFERED): what must be sent with a new one, and which messages come."""

from pathlib import Path

import pytest

from harness.bootstrap import cluster, ext_proc, mode
from harness.gateway import Start
from harness.http1 import Message, request, send
from harness.say import (
    removes,
    reply,
    request_body,
    request_headers,
    response_body,
    response_headers,
    sets,
)
from harness.scripted import Processor, answers
from harness.upstream import Answer, Upstream
from outrider_envoy.proto.ext_proc_pb2 import (
    BodyMutation,
    BodyResponse,
    CommonResponse,
    HeaderMutation,
    ProcessingResponse,
)

REQUEST = mode(request_header_mode="SEND", request_body_mode="BUFFERED")
RESPONSE = mode(response_header_mode="SEND", response_body_mode="BUFFERED")
LONGER = b"longer body"
RIGHT_LENGTH = sets(("content-length", str(len(LONGER))))
NO_LENGTH = removes("content-length")
CHUNKED = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture
def requests(start: Start) -> int:
    return start(ext_proc(processing_mode=REQUEST))


@pytest.fixture
def responses(start: Start) -> int:
    return start(ext_proc(processing_mode=RESPONSE))


def post(port: int, body: bytes = b"hello") -> Message:
    return request(port, "/old?q", ("x-gone", "1"), method="POST", body=body)


def test_every_change_to_the_request_may_wait_for_the_body_answer(
    requests: int, processor: Processor, upstream: Upstream
) -> None:
    changes = [sets((":path", "/new?z=1"), ("x-set", "1")), removes("x-gone")]
    processor.script = answers(request_headers(), request_body(*changes))
    assert post(requests).status == 200
    seen = upstream.request
    assert (seen.path, seen.get("x-set"), seen.get("x-gone")) == ("/new?z=1", "1", None)
    assert seen.body == b"hello"


def test_every_change_to_the_response_may_wait_for_the_body_answer(
    responses: int, processor: Processor, upstream: Upstream
) -> None:
    upstream.answer = Answer(headers=[("x-gone", "1")], chunks=[b"hello"])
    changes = [sets((":status", "418"), ("x-set", "1")), removes("x-gone"), RIGHT_LENGTH]
    processor.script = answers(response_headers(), response_body(*changes, body=LONGER))
    seen = request(responses)
    assert (seen.status, seen.get("x-set"), seen.get("x-gone")) == (418, "1", None)
    assert seen.body == LONGER


@pytest.mark.parametrize("head", [None, NO_LENGTH], ids=["in the body answer", "in the header answer"])
def test_a_new_length_of_the_request_needs_content_length_changed_or_removed(
    requests: int, processor: Processor, upstream: Upstream, head: HeaderMutation | None
) -> None:
    with_body = () if head else (RIGHT_LENGTH,)
    processor.script = answers(request_headers(*([head] if head else [])), request_body(*with_body, body=LONGER))
    assert post(requests).status == 200
    assert upstream.request.body == LONGER
    assert upstream.request.get("content-length") == (None if head else "11")


@pytest.mark.parametrize("head", [None, NO_LENGTH], ids=["in the body answer", "in the header answer"])
def test_a_new_length_of_the_response_needs_content_length_changed_or_removed(
    responses: int, processor: Processor, upstream: Upstream, head: HeaderMutation | None
) -> None:
    upstream.answer = Answer(chunks=[b"hello"])
    with_body = () if head else (RIGHT_LENGTH,)
    processor.script = answers(response_headers(*([head] if head else [])), response_body(*with_body, body=LONGER))
    response = request(responses)
    assert response.body == LONGER
    assert response.get("content-length") == (None if head else "11")


def test_content_length_may_be_removed_in_the_body_answer_too(
    requests: int, processor: Processor, upstream: Upstream
) -> None:
    processor.script = answers(request_headers(), request_body(NO_LENGTH, body=LONGER))
    assert post(requests).status == 200
    assert upstream.request.get("transfer-encoding") == "chunked"
    assert upstream.request.body == LONGER


def test_the_right_content_length_replaces_chunked_encoding(
    requests: int, processor: Processor, upstream: Upstream
) -> None:
    processor.script = answers(request_headers(), request_body(RIGHT_LENGTH, body=LONGER))
    assert send(requests, CHUNKED + b"5\r\nhello\r\n0\r\n\r\n").status == 200
    assert upstream.request.all("transfer-encoding") == []
    assert upstream.request.get("content-length") == "11"


@pytest.mark.parametrize("changes", [(), (sets(("content-length", "3")),)], ids=["none sent", "a wrong one sent"])
def test_a_length_that_does_not_match_is_500(
    requests: int, processor: Processor, upstream: Upstream, changes: tuple[HeaderMutation, ...]
) -> None:
    processor.script = answers(request_headers(), request_body(*changes, body=LONGER))
    assert post(requests).status == 500
    assert upstream.requests == []


def test_a_response_length_that_does_not_match_is_500(
    responses: int, processor: Processor, upstream: Upstream
) -> None:
    upstream.answer = Answer(chunks=[b"hello"])
    processor.script = answers(response_headers(), response_body(body=LONGER))
    assert request(responses).status == 500


def test_a_body_of_the_same_length_needs_no_header(requests: int, processor: Processor, upstream: Upstream) -> None:
    processor.script = answers(request_headers(), request_body(body=b"HELLO"))
    assert post(requests).status == 200
    assert upstream.request.body == b"HELLO"


@pytest.mark.parametrize("told", [True, False], ids=["content-length 0", "no content-length"])
@pytest.mark.parametrize("mutation", [BodyMutation(clear_body=True), BodyMutation(body=b"")], ids=["clear", "empty"])
def test_a_body_can_be_emptied_when_the_length_is_told(
    requests: int, processor: Processor, upstream: Upstream, mutation: BodyMutation, *, told: bool
) -> None:
    changes = sets(("content-length", "0")) if told else HeaderMutation()
    common = CommonResponse(header_mutation=changes, body_mutation=mutation)
    processor.script = answers(request_headers(), ProcessingResponse(request_body=BodyResponse(response=common)))
    assert post(requests).status == (200 if told else 500)
    assert [each.body for each in upstream.requests] == ([b""] if told else [])


def test_an_immediate_response_may_answer_a_body(requests: int, processor: Processor, upstream: Upstream) -> None:
    processor.script = answers(request_headers(), reply(403, b"no"))
    assert post(requests).status == 403
    assert upstream.requests == []


def test_an_immediate_response_may_replace_a_response_at_its_body(
    responses: int, processor: Processor, upstream: Upstream
) -> None:
    upstream.answer = Answer(headers=[("x-secret", "1")], chunks=[b"secret"])
    processor.script = answers(response_headers(), reply(403, b"no"))
    response = request(responses)
    assert (response.status, response.body, response.get("x-secret")) == (403, b"no", None)


def test_continue_and_replace_with_a_body_in_the_header_answer_replaces_the_body(
    requests: int, processor: Processor, upstream: Upstream
) -> None:
    processor.script = answers(request_headers(NO_LENGTH, body=LONGER, replace=True))
    assert post(requests).status == 200
    assert upstream.request.body == LONGER
    assert upstream.request.get("transfer-encoding") == "chunked"
    assert processor.stream.kinds == ["request_headers"]


def test_a_message_without_a_body_ends_with_its_headers(requests: int, processor: Processor) -> None:
    request(requests)
    post(requests, b"")
    assert [stream.kinds for stream in processor.streams] == [["request_headers"]] * 2
    assert all(stream.first.request_headers.end_of_stream for stream in processor.streams)


def test_an_empty_chunked_body_does_come_as_a_message(requests: int, processor: Processor) -> None:
    send(requests, CHUNKED + b"0\r\n\r\n")
    assert processor.stream.kinds == ["request_headers", "request_body"]
    body = processor.stream.received[1].request_body
    assert (body.body, body.end_of_stream) == (b"", True)


def test_a_buffered_body_comes_in_one_message_that_ends_the_stream(requests: int, processor: Processor) -> None:
    send(requests, CHUNKED + b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n")
    body = processor.stream.received[1].request_body
    assert (body.body, body.end_of_stream) == (b"hello", True)


def test_a_request_can_be_refused_before_its_body_was_sent(
    requests: int, processor: Processor, upstream: Upstream
) -> None:
    processor.script = answers(reply(401, b"no"))
    assert send(requests, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n").status == 401
    assert upstream.requests == []


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_response_without_a_body_has_no_body_message(
    responses: int, processor: Processor, upstream: Upstream, method: str
) -> None:
    upstream.answer = Answer(headers=[("x-up", "1")])
    assert request(responses, method=method).get("x-up") == "1"
    assert processor.stream.kinds == ["response_headers"]


def test_a_request_over_the_buffer_limit_is_413(requests: int, upstream: Upstream) -> None:
    assert post(requests, b"x" * 2_000_000).status == 413
    assert upstream.requests == []


def test_a_response_over_the_buffer_limit_is_500(responses: int, upstream: Upstream) -> None:
    upstream.answer = Answer(chunks=[b"x" * 2_000_000])
    assert request(responses).status == 500


@pytest.mark.parametrize(
    ("options", "status"),
    [({}, 500), ({"max_receive_message_length": 8 << 20}, 200)],
    ids=["default limit", "raised limit"],
)
def test_a_5_mb_body_needs_a_higher_message_limit_in_grpcio(
    start: Start, socket_folder: Path, options: dict[str, int], status: int
) -> None:
    with Processor(str(socket_folder / "other"), **options) as other:
        port = start(
            ext_proc(processing_mode=REQUEST),
            clusters=[cluster("processor", other.path, http2=True)],
            per_connection_buffer_limit_bytes=8 << 20,
        )
        assert post(port, b"x" * 5_000_000).status == status
