"""With what a stream begins, which messages it has, and when it ends."""

from collections.abc import Iterator
from typing import Any

import pytest

from harness.bootstrap import FILTERS, HTTP, Config, cluster, ext_authz, ext_proc, mode, typed
from harness.gateway import Start
from harness.http1 import connect, read, request, send
from harness.process import until
from harness.say import (
    deny,
    removes,
    request_body,
    request_headers,
    response_headers,
    sets,
)
from harness.scripted import Authorizer, Messages, Processor, answers
from harness.upstream import Answer, Upstream
from outrider_envoy.proto.ext_proc_pb2 import ProcessingMode, ProcessingResponse, TrailersResponse

HEADERS = mode(request_header_mode="SEND")
ABORT = {
    "name": "envoy.filters.http.fault",
    "typed_config": typed(
        f"{FILTERS}.fault.v3.HTTPFault",
        abort={"http_status": 418, "percentage": {"numerator": 100}},
    ),
}
GET = b"GET / HTTP/1.1\r\nhost: outrider.test\r\n\r\n"


# Envoy 1.36 keeps its own replies from ext_proc unless this guard is off; 1.40 has no such guard any more.
RUNTIME = {"envoy.reloadable_features.skip_ext_proc_on_local_reply": False}
LAYERS = {"layered_runtime": {"layers": [{"name": "static", "static_layer": RUNTIME}]}}
BOTH = mode(request_header_mode="SEND", response_header_mode="SEND")


def test_a_stream_begins_with_response_headers_when_an_earlier_filter_answered(
    start: Start, processor: Processor
) -> None:
    config = start.config(ABORT, ext_proc(processing_mode=BOTH)) | LAYERS
    processor.script = answers(response_headers(sets(("x-seen", "1"))))
    response = request(start.envoy(config).port())
    assert (response.status, response.get("x-seen")) == (418, "1")
    assert processor.stream.kinds == ["response_headers"]


def test_a_denial_by_an_earlier_ext_authz_passes_through_ext_proc(
    start: Start, processor: Processor, authorizer: Authorizer
) -> None:
    config = start.config(ext_authz(), ext_proc(processing_mode=BOTH)) | LAYERS
    authorizer.answer = deny(401)
    assert request(start.envoy(config).port()).status == 401
    assert processor.stream.kinds == ["response_headers"]


@pytest.mark.parametrize("layers", [LAYERS, {}], ids=["guard off", "default"])
def test_replies_of_envoy_itself_pass_through_ext_proc_but_in_1_36_only_with_its_guard_off(
    start: Start, processor: Processor, envoy_version: str, layers: Config
) -> None:
    nowhere = cluster("upstream", "/nowhere")
    port = start.envoy(start.config(ext_proc(processing_mode=BOTH), clusters=[nowhere]) | layers).port()
    processor.script = answers(request_headers(), response_headers(sets(("x-seen", "1"))))
    response = request(port)
    skipped = envoy_version == "envoy-1.36" and not layers
    assert (response.status, response.get("x-seen")) == (503, None if skipped else "1")


def test_a_stream_begins_with_a_body_when_headers_are_skipped(start: Start, processor: Processor) -> None:
    port = start(ext_proc(processing_mode=mode(request_body_mode="BUFFERED")))
    assert request(port, method="POST", body=b"hello").status == 200
    assert processor.stream.kinds == ["request_body"]


def test_with_request_headers_only_the_stream_ends_at_once_but_in_1_36_with_the_request(
    start: Start, processor: Processor, upstream: Upstream, envoy_version: str
) -> None:
    port = start(ext_proc(processing_mode=HEADERS))
    upstream.gate.clear()
    with connect(port) as client, client.makefile("rb") as answer:
        client.sendall(GET)
        until(upstream.requests.copy)
        if envoy_version == "envoy-1.40":
            assert processor.stream.done.wait(10)
        else:
            assert not processor.stream.done.is_set()
        upstream.gate.set()
        assert read(answer) is not None
    assert processor.stream.done.wait(10)


TO_THE_END = mode(request_header_mode="SEND", response_trailer_mode="SEND")


def test_with_response_trailers_the_stream_ends_with_the_request_and_without_another_message(
    start: Start, processor: Processor, upstream: Upstream
) -> None:
    port = start(ext_proc(processing_mode=TO_THE_END))
    upstream.gate.clear()
    with connect(port) as client, client.makefile("rb") as answer:
        client.sendall(GET)
        until(upstream.requests.copy)
        assert not processor.stream.done.is_set()
        upstream.gate.set()
        assert read(answer) is not None
    assert processor.stream.done.wait(10)
    assert processor.stream.kinds == ["request_headers"]


def test_with_response_trailers_the_stream_ends_when_downstream_leaves(
    start: Start, processor: Processor, upstream: Upstream
) -> None:
    port = start(ext_proc(processing_mode=TO_THE_END))
    upstream.gate.clear()
    with connect(port) as client:
        client.sendall(GET)
        until(upstream.requests.copy)
    assert processor.stream.done.wait(10)
    assert processor.stream.kinds == ["request_headers"]
    upstream.gate.set()


def test_the_stream_ends_when_downstream_leaves_before_the_answer(start: Start, processor: Processor) -> None:
    port = start(ext_proc(processing_mode=HEADERS))

    def waits(messages: Messages) -> Iterator[ProcessingResponse]:
        next(messages)
        processor.stream.done.wait(10)
        yield from ()

    processor.script = waits
    with connect(port) as client:
        client.sendall(GET)
        until(lambda: processor.streams and processor.stream.received)
    assert processor.stream.done.wait(10)


def test_a_clean_close_at_the_response_lets_it_pass(start: Start, processor: Processor) -> None:
    port = start(ext_proc(processing_mode=BOTH))

    def leaves(messages: Messages) -> Iterator[ProcessingResponse]:
        next(messages)
        yield request_headers()
        next(messages)

    processor.script = leaves
    assert request(port).status == 200


TRAILERS = {"http_protocol_options": {"enable_trailers": True}}
CHUNKED = (
    b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-t: 1\r\nx-gone: 1\r\n\r\n"
)


def with_trailers(start: Start, upstream: Upstream, **fields: Any) -> int:
    """Over HTTP/1.1, where trailers have to be enabled on both sides."""
    options = {HTTP.split("/")[1]: typed(HTTP, explicit_http_config=TRAILERS)}
    clusters = [cluster("upstream", upstream.port, typed_extension_protocol_options=options)]
    return start(ext_proc(**fields), clusters=clusters, manager=TRAILERS)


def test_request_trailers_come_as_a_message_and_can_be_changed(
    start: Start, processor: Processor, upstream: Upstream
) -> None:
    sent = mode(request_header_mode="SEND", request_trailer_mode="SEND")
    port = with_trailers(start, upstream, processing_mode=sent)
    changes = sets(("x-set", "2"))
    changes.MergeFrom(removes("x-gone"))
    trailers = ProcessingResponse(request_trailers=TrailersResponse(header_mutation=changes))
    processor.script = answers(request_headers(), trailers)
    assert send(port, CHUNKED).status == 200
    assert processor.stream.kinds == ["request_headers", "request_trailers"]
    assert upstream.request.trailers == [("x-t", "1"), ("x-set", "2")]


def test_a_buffered_body_before_trailers_does_not_end_the_stream(
    start: Start, processor: Processor, upstream: Upstream
) -> None:
    sent = mode(request_body_mode="BUFFERED", request_trailer_mode="SEND")
    port = with_trailers(start, upstream, processing_mode=sent)
    assert send(port, CHUNKED).status == 200
    assert processor.stream.kinds == ["request_body", "request_trailers"]
    assert not processor.stream.first.request_body.end_of_stream


def test_response_trailers_come_as_a_message_and_can_be_changed(
    start: Start, processor: Processor, upstream: Upstream
) -> None:
    port = with_trailers(start, upstream, processing_mode=mode(response_trailer_mode="SEND"))
    upstream.answer = Answer(chunks=[b"a", b"b"], trailers=[("x-t", "1")])
    changes = sets(("x-set", "2"))
    processor.script = answers(ProcessingResponse(response_trailers=TrailersResponse(header_mutation=changes)))
    response = request(port, "/", ("te", "trailers"))
    assert response.trailers == [("x-t", "1"), ("x-set", "2")]
    assert processor.stream.kinds == ["response_trailers"]


BUFFERED = ProcessingMode(request_body_mode=ProcessingMode.BUFFERED)
BUFFERED_RESPONSE = ProcessingMode(response_body_mode=ProcessingMode.BUFFERED)


@pytest.mark.parametrize(
    ("extra", "kinds"),
    [({}, ["request_headers"]), ({"allow_mode_override": True}, ["request_headers", "request_body"])],
    ids=["not allowed", "allowed"],
)
def test_a_mode_override_in_the_request_header_answer_counts_only_when_allowed(
    start: Start, processor: Processor, extra: Config, kinds: list[str]
) -> None:
    port = start(ext_proc(processing_mode=HEADERS, **extra))
    processor.script = answers(request_headers(mode=BUFFERED))
    assert request(port, method="POST", body=b"hello").status == 200
    assert processor.stream.kinds == kinds


def test_a_mode_override_works_in_the_response_header_answer(
    start: Start, processor: Processor, upstream: Upstream
) -> None:
    upstream.answer = Answer(chunks=[b"hello"])
    port = start(ext_proc(processing_mode=mode(response_header_mode="SEND"), allow_mode_override=True))
    processor.script = answers(response_headers(mode=BUFFERED_RESPONSE))
    assert request(port).body == b"hello"
    assert processor.stream.kinds == ["response_headers", "response_body"]


def test_a_mode_override_in_a_body_answer_is_ignored(start: Start, processor: Processor) -> None:
    sent = mode(request_body_mode="BUFFERED", response_header_mode="SEND")
    port = start(ext_proc(processing_mode=sent, allow_mode_override=True))
    override = request_body()
    override.mode_override.MergeFrom(BUFFERED_RESPONSE)
    processor.script = answers(override)
    assert request(port, method="POST", body=b"hello").status == 200
    assert processor.stream.kinds == ["request_body", "response_headers"]


@pytest.mark.parametrize(
    ("extra", "seen"),
    [
        ({}, None),
        ({"metadata_options": {"receiving_namespaces": {"untyped": ["outrider"]}}}, "alice"),
    ],
    ids=["no namespaces", "namespace named"],
)
def test_dynamic_metadata_needs_its_namespace_to_be_received(
    start: Start, processor: Processor, extra: Config, seen: str | None
) -> None:
    value = {"key": "x-user", "value": "%DYNAMIC_METADATA(outrider:user)%"}
    host = {"response_headers_to_add": [{"header": value}]}
    port = start(ext_proc(processing_mode=HEADERS, **extra), host=host)
    answer = request_headers()
    answer.dynamic_metadata.update({"outrider": {"user": "alice"}})
    processor.script = answers(answer)
    assert request(port).get("x-user") == seen
