"""What Kong does when a plugin server over ProtoBuf:1 does not answer, or answers what it should not."""

import json
import threading

import pytest

from harness import http1
from harness.kong_gateway import StartKong
from harness.kong_scripted import Event, PluginServer, during, text, waits
from harness.upstream import Upstream
from outrider_kong.proto import pluginsocket_pb2 as pb


def test_a_closed_connection_is_no_answer_the_event_is_sent_again_without_end(
    server: PluginServer, start: StartKong, upstream: Upstream
) -> None:
    def act(event: Event) -> None:
        if server.events.count("access") <= 20:
            event.close()

    server.act = act
    assert http1.request(start("access").port, "/r").status == 200
    # Each time all instances of the plugin are forgotten.
    assert server.events == ["start", "access"] * 21
    assert len(upstream.requests) == 1


def test_a_server_that_knows_no_such_instance_gets_it_again(server: PluginServer, start: StartKong) -> None:
    kong = start("access")
    http1.request(kong.port, "/r")
    server.forget()
    assert http1.request(kong.port, "/r").status == 200
    assert server.events == ["start", "access", "access", "start", "access"]


def test_a_server_that_does_not_answer_in_time_is_a_500(
    server: PluginServer, start: StartKong, upstream: Upstream
) -> None:
    gate = threading.Event()
    server.act = waits("access", gate)
    kong = start("access", "log", read_timeout=0.1)
    answer = http1.request(kong.port, "/r")
    gate.set()
    kong.settle()
    assert answer.status == 500
    assert json.loads(answer.body)["message"] == "An unexpected error occurred"
    assert not upstream.requests
    assert server.said == [("start", 1), ("access", 1), ("log", 2)]


def test_a_server_that_is_gone_is_a_500(server: PluginServer, start: StartKong, upstream: Upstream) -> None:
    kong = start("access")
    assert http1.request(kong.port, "/r").status == 200
    server.stop()
    kong.settle()
    upstream.reset()
    assert http1.request(kong.port, "/r").status == 500
    assert not upstream.requests


@pytest.mark.parametrize(
    ("method", "argument"),
    [
        ("kong.nope.nope", b""),
        ("kong.log.serialize", b""),
        ("kong.response.get_status", b""),
        ("kong.service.response.get_status", b""),
        ("kong.request.get_headers", pb.Int(v=1001)),
        ("kong.request.get_headers", pb.Int(v=0)),
        ("kong.service.request.set_method", text("NOPE")),
        ("kong.service.request.set_path", text("no-slash")),
        ("kong.client.load_consumer", pb.ConsumerSpec(id=b"no-uuid")),
        ("kong.response.exit", pb.Exit(status=99)),
        ("kong.request.get_header", b"\xff\xff"),
    ],
)
def test_what_kong_refuses_in_access_is_a_500(
    server: PluginServer, start: StartKong, upstream: Upstream, method: str, argument: pb.Text | bytes
) -> None:
    server.act = during("access", method, argument)
    assert http1.request(start("access").port, "/r").status == 500
    assert not upstream.requests


def test_a_wrong_sequence_in_the_return_is_a_500(server: PluginServer, start: StartKong) -> None:
    def act(event: Event) -> None:
        event.connection.write(b"", pb.RpcReturn(sequence=4711).SerializeToString())

    server.act = act
    assert http1.request(start("access").port, "/r").status == 500
