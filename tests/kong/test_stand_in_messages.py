"""Headers and bodies as plugin servers get them: many, large, empty, and no text at all."""

from pathlib import Path

import pytest

from harness import http1
from harness.kong_gateway import StartKong
from harness.kong_scripted import Event, PluginServer, fields, key_value, text
from harness.upstream import Answer, Upstream
from outrider_kong.proto import pluginsocket_pb2 as pb


class Asking:
    """Calls functions in one phase and keeps what they answered."""

    def __init__(self, server: PluginServer, phase: str = "access") -> None:
        self.answers: list[bytes] = []
        self._phase = phase
        self._calls: list[tuple[str, object]] = []
        server.act = self._act

    def ask(self, method: str, argument: object = b"") -> None:
        self._calls.append((method, argument))

    def _act(self, event: Event) -> None:
        if event.phase == self._phase:
            self.answers += [event.call(method, argument) for method, argument in self._calls]  # type: ignore[arg-type]


def test_headers_stop_at_a_thousand(server: PluginServer, start: StartKong, upstream: Upstream) -> None:
    asking = Asking(server)
    asking.ask("kong.request.get_headers", pb.Int(v=1000))
    many = [(f"x{number}", "1") for number in range(1001)]
    http1.request(start().port, "/r", *many)
    got = fields(asking.answers[0])
    assert len(got) == 1000
    assert "host" in got
    assert "x998" in got
    assert "x999" not in got
    assert upstream.request.get("x1000") == "1"


def test_names_are_in_lower_case_and_what_came_twice_is_a_list(server: PluginServer, start: StartKong) -> None:
    asking = Asking(server)
    asking.ask("kong.request.get_headers", pb.Int(v=100))
    asking.ask("kong.request.get_header", text("x-a"))
    asking.ask("kong.request.get_header", text("x-under-score"))
    http1.request(start().port, "/r", ("X-A", "1"), ("x-a", "2"), ("X-Under_Score", "3"), host="h:80")
    assert fields(asking.answers[0]) == {"host": "h:80", "x-a": ["1", "2"], "x-under_score": "3"}
    # One name asks nginx for a variable, in which `-` and `_` are the same.
    assert [pb.Text.FromString(answer).v for answer in asking.answers[1:]] == [b"1", b"3"]


def test_bytes_that_are_no_text_come_and_go_as_they_are(
    server: PluginServer, start: StartKong, upstream: Upstream
) -> None:
    def act(event: Event) -> None:
        value = pb.Text.FromString(event.call("kong.request.get_header", text("x-raw"))).v
        event.call("kong.service.request.set_header", pb.KeyValue(k=b"x-back", v=pb.Value(string_value=value)))

    server.act = act
    http1.request(start().port, "/r", ("x-raw", "caf\xe9\xff"))
    assert upstream.request.get("x-back") == "caf\xe9\xff"


def test_what_would_end_a_header_is_escaped(server: PluginServer, start: StartKong, upstream: Upstream) -> None:
    def act(event: Event) -> None:
        event.call("kong.service.request.set_header", key_value("x-a", "1\r\nx-b: 2"))
        event.call("kong.response.set_header", key_value("x-a", "1\r\nx-b: 2"))

    server.act = act
    answer = http1.request(start().port, "/r")
    for message in (upstream.request, answer):
        assert message.all("x-a") == ["1%0D%0Ax-b: 2"]
        assert message.all("x-b") == []


def test_an_absent_value_is_an_empty_frame_and_a_null_is_not(server: PluginServer, start: StartKong) -> None:
    asking = Asking(server)
    for method, argument in (
        ("kong.request.get_header", text("nope")),
        ("kong.client.get_consumer", b""),
        ("kong.client.load_consumer", pb.ConsumerSpec(id=b"nobody", by_username=True)),
        ("kong.ctx.shared.get", text("nope")),
        ("kong.ip.is_trusted", text("127.0.0.1")),
    ):
        asking.ask(method, argument)
    http1.request(start().port, "/r")
    assert asking.answers == [b"", b"", b"", b"\x08\x01", b"\x08\x00"]


def test_the_path_is_normalised_and_the_variable_is_raw(server: PluginServer, start: StartKong) -> None:
    asking = Asking(server)
    asking.ask("kong.request.get_path")
    asking.ask("kong.nginx.get_var", text("request_uri"))
    asking.ask("kong.request.get_host")
    http1.request(start().port, "/r/%7Ea//b/../c%2fd?q=%20", host="Host.Test:81")
    assert [pb.Text.FromString(answer).v for answer in asking.answers] == [
        b"/r/~a/c%2Fd",
        b"/r/%7Ea//b/../c%2fd?q=%20",
        b"host.test",
    ]


@pytest.mark.parametrize("size", [0, 1, 8192])
def test_a_body_that_fits_the_buffer_comes_as_bytes(
    server: PluginServer, start: StartKong, upstream: Upstream, size: int
) -> None:
    asking = Asking(server)
    asking.ask("kong.request.get_raw_body")
    body = b"\xff" * size
    http1.request(start().port, "/r", method="POST", body=body)
    got = pb.RawBody.FromString(asking.answers[0])
    assert (got.WhichOneof("kind"), got.content) == ("content", body)
    assert upstream.request.body == body


@pytest.mark.parametrize("size", [8193, 5 * 2**20])
def test_a_larger_body_comes_as_the_path_of_a_file_that_lives_as_long_as_the_request(
    server: PluginServer, start: StartKong, upstream: Upstream, size: int
) -> None:
    found: list[tuple[Path, bytes]] = []

    def act(event: Event) -> None:
        path = Path(pb.RawBody.FromString(event.call("kong.request.get_raw_body")).body_filepath.decode())
        found.append((path, path.read_bytes()))

    server.act = act
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    kong = start()
    http1.request(kong.port, "/r", method="POST", body=body)
    kong.settle()
    [(path, content)] = found
    assert content == body
    assert upstream.request.body == body
    assert not path.exists()


def test_an_event_comes_before_the_body_and_an_exit_does_not_wait_for_it(
    server: PluginServer, start: StartKong, upstream: Upstream
) -> None:
    server.act = lambda event: event.ahead("kong.response.exit", pb.Exit(status=403))
    with http1.connect(start().port) as connection, connection.makefile("rb") as stream:
        connection.sendall(b"POST /r HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf")
        answer = http1.read(stream)
    assert answer
    assert answer.status == 403
    assert not upstream.requests


def test_response_headers_come_with_a_list_where_a_name_came_twice(
    server: PluginServer, start: StartKong, upstream: Upstream
) -> None:
    asking = Asking(server, "response")
    asking.ask("kong.response.get_headers", pb.Int(v=100))
    asking.ask("kong.service.response.get_header", text("x-up"))
    upstream.answer = Answer(headers=[("Set-Cookie", "a"), ("X-Up", "\xff"), ("set-cookie", "b")])
    http1.request(start("access", "response").port, "/r")
    got = fields(asking.answers[0])
    assert got == {
        "set-cookie": ["a", "b"],
        "x-up": "\udcff",
        "content-length": "0",
        "connection": "keep-alive",
    }
    assert pb.Text.FromString(asking.answers[1]).v == b"\xff"
