"""The response event of a plugin server over ProtoBuf:1, and the response headers that are set before it."""

import pytest

from harness import http1
from harness.kong_gateway import StartKong
from harness.kong_scripted import Event, PluginServer, during, key_value
from harness.upstream import Answer, Upstream
from outrider_kong.proto import pluginsocket_pb2 as pb


def test_a_response_event_comes_with_upstreams_answer_and_may_replace_it(
    server: PluginServer, start: StartKong, upstream: Upstream
) -> None:
    seen: list[bytes] = []

    def act(event: Event) -> None:
        if event.phase == "response":
            seen.append(pb.Text.FromString(event.call("kong.service.response.get_raw_body")).v)
            seen.append(event.call("kong.service.response.get_headers", pb.Int(v=100)))
            event.call("kong.response.exit", pb.Exit(status=418, body=b"something longer"))

    server.act = act
    upstream.answer = Answer(headers=[("set-cookie", "a=1"), ("x-up", "1")], chunks=[b"tea"])
    answer = http1.request(start("access", "response").port, "/r")
    assert seen == [b"tea", b""]
    # Upstream's headers stay, and its content-length cuts the body.
    assert (answer.status, answer.body) == (418, b"som")
    assert answer.all("set-cookie") == ["a=1"]
    assert answer.get("x-up") == "1"


@pytest.mark.parametrize(
    ("phases", "values"), [(("access",), ["ours", "theirs"]), (("access", "response"), ["theirs"])]
)
def test_a_response_header_that_is_set_in_access_does_not_hold(
    server: PluginServer, start: StartKong, upstream: Upstream, phases: tuple[str, ...], values: list[str]
) -> None:
    def act(event: Event) -> None:
        if event.phase == "access":
            event.call("kong.response.set_header", key_value("x-who", "ours"))
            event.call("kong.response.set_header", key_value("x-only", "ours"))

    server.act = act
    upstream.answer = Answer(headers=[("x-who", "theirs")])
    answer = http1.request(start(*phases).port, "/r")
    assert answer.all("x-who") == values
    assert answer.all("x-only") == ["ours"]


def test_a_failure_in_a_response_event_is_a_500_without_upstreams_headers(
    server: PluginServer, start: StartKong, upstream: Upstream
) -> None:
    server.act = during("response", "kong.nope.nope")
    upstream.answer = Answer(headers=[("x-up", "1")], chunks=[b"secret"])
    answer = http1.request(start("access", "response").port, "/r")
    assert answer.status == 500
    assert b"secret" not in answer.body
