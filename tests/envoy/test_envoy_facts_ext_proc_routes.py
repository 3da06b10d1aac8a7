"""What the first message says about the gateway: attributes, modes, and the route's own settings."""

from typing import Any

import pytest

from harness.bootstrap import Config, ext_proc, ext_proc_per_route, grpc, mode, route
from harness.gateway import Start
from harness.http1 import request
from harness.scripted import Processor, Stream
from outrider_envoy.proto.ext_proc_pb2 import ProcessingMode, ProcessingRequest

HEADERS = mode(request_header_mode="SEND")
KEY = "envoy.filters.http.ext_proc"


def named(value: str) -> list[Config]:
    return [{"key": "outrider-route", "value": value}]


ROUTES = [
    route("/off", **ext_proc_per_route(disabled=True)),
    route("/one", **ext_proc_per_route(overrides={"grpc_initial_metadata": named("one")})),
    route(
        "/service",
        **ext_proc_per_route(overrides={"grpc_service": grpc("processor", initial_metadata=named("service"))}),
    ),
    route(
        "/body",
        **ext_proc_per_route(
            overrides={"processing_mode": mode(request_header_mode="SEND", request_body_mode="BUFFERED")}
        ),
    ),
    route("/attributes", **ext_proc_per_route(overrides={"request_attributes": ["request.method"]})),
    route("/named", name="orders"),
    route("/"),
]


@pytest.fixture
def port(start: Start) -> int:
    asked = ["source.address", "xds.route_name", "request.scheme"]
    filters = ext_proc(processing_mode=HEADERS, request_attributes=asked)
    return start(filters, routes=ROUTES, manager={"use_remote_address": True})


def routes_named(stream: Stream) -> list[str]:
    return [value for key, value in stream.metadata if key == "outrider-route"]


def attributes(message: ProcessingRequest) -> dict[str, Any]:
    assert set(message.attributes) <= {KEY}
    return dict(message.attributes[KEY].items())


def test_attributes_come_under_the_filters_name_and_an_address_has_its_port(port: int, processor: Processor) -> None:
    request(port, "/named?q=1", ("x-forwarded-for", "203.0.113.9"))
    seen = attributes(processor.stream.first)
    address, _, number = seen.pop("source.address").rpartition(":")
    assert (address, number.isdigit()) == ("127.0.0.1", True)
    assert seen == {"xds.route_name": "orders", "request.scheme": "http"}


def test_a_route_without_a_name_is_an_empty_attribute(port: int, processor: Processor) -> None:
    request(port, "/")
    assert attributes(processor.stream.first)["xds.route_name"] == ""


@pytest.mark.parametrize(
    ("manager", "host"),
    [
        ({}, "203.0.113.9:0"),
        ({"use_remote_address": True, "xff_num_trusted_hops": 1}, "203.0.113.9:0"),
    ],
    ids=["default", "one trusted hop"],
)
def test_the_source_address_follows_x_forwarded_for_unless_told_to_use_the_peer(
    start: Start, processor: Processor, manager: Config, host: str
) -> None:
    port = start(ext_proc(processing_mode=HEADERS, request_attributes=["source.address"]), manager=manager)
    request(port, "/", ("x-forwarded-for", "203.0.113.9"))
    assert attributes(processor.stream.first) == {"source.address": host}


def test_response_attributes_come_with_the_response_only(start: Start, processor: Processor) -> None:
    both = mode(request_header_mode="SEND", response_header_mode="SEND")
    port = start(
        ext_proc(
            processing_mode=both,
            request_attributes=["request.scheme"],
            response_attributes=["response.code"],
        )
    )
    request(port)
    seen = [attributes(message) for message in processor.stream.received]
    assert seen == [{"request.scheme": "http"}, {"response.code": 200.0}]


def test_a_route_may_switch_ext_proc_off(port: int, processor: Processor) -> None:
    assert request(port, "/off").status == 200
    assert processor.streams == []


@pytest.mark.parametrize("path", ["/one", "/service"])
def test_a_route_may_send_metadata_that_downstream_cannot_forge(port: int, processor: Processor, path: str) -> None:
    request(port, path, ("outrider-route", "forged"))
    assert routes_named(processor.stream) == [path.removeprefix("/")]


def test_a_header_of_downstream_never_becomes_metadata(port: int, processor: Processor) -> None:
    request(port, "/", ("outrider-route", "forged"))
    assert routes_named(processor.stream) == []


def test_a_route_may_have_its_own_processing_mode(port: int, processor: Processor) -> None:
    request(port, "/body", method="POST", body=b"hello")
    assert processor.stream.kinds == ["request_headers", "request_body"]


def test_attributes_of_a_route_are_not_implemented(port: int, processor: Processor) -> None:
    request(port, "/attributes")
    assert "request.method" not in attributes(processor.stream.first)


def test_the_first_message_alone_announces_the_routes_body_modes(port: int, processor: Processor) -> None:
    request(port, "/body", method="POST", body=b"hello")
    first, second = processor.stream.received
    assert first.protocol_config.request_body_mode == ProcessingMode.BUFFERED
    assert first.protocol_config.response_body_mode == ProcessingMode.NONE
    assert not second.HasField("protocol_config")
