"""MsgPack:1 fails open once an instance exists: that is what Kong does, and why a guard is needed."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import http1
from harness.kong_gateway import Kong, plugin, running
from harness.kong_transcript import msgpack
from harness.upstream import Upstream
from outrider_kong.stand_in.settings import Settings

Answer = Callable[[list[Any]], list[list[Any]] | None]
RETURN = {"Data": "ret", "EventId": 1}


class Server:
    """Answers each call with what `answer` makes of it; None hangs up. `methods` is what was called."""

    def __init__(self, path: Path) -> None:
        self.methods: list[str] = []
        self.steps: list[Any] = []
        self.answer: Answer = lambda call: [[1, call[1], None, RETURN]]
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # Kong hangs up where it likes.
        with connection, contextlib.suppress(OSError):
            unpacker = msgpack.Unpacker(raw=False, unicode_errors="surrogateescape", strict_map_key=False)
            while data := connection.recv(65536):
                unpacker.feed(data)
                for call in unpacker:
                    if not self._send(connection, call):
                        return

    def _send(self, connection: socket.socket, call: list[Any]) -> bool:
        self.methods.append(call[2])
        if call[2] == "plugin.StartInstance":
            answers: list[list[Any]] | None = [[1, call[1], None, {"Id": 7}]]
        else:
            self.steps.append(call[3][0])
            answers = self.answer(call)
        for answer in answers or []:
            # One byte at a time: a frame may come in any number of pieces.
            for byte in msgpack.packb(answer, unicode_errors="surrogateescape"):
                connection.sendall(bytes([byte]))
        return answers is not None


@pytest.fixture
def packed(folder: Path) -> Iterator[Server]:
    server = Server(folder / "m")
    yield server
    server.close()


@pytest.fixture
def kong(folder: Path, packed: Server, upstream: Upstream) -> Iterator[Kong]:
    info = plugin("probe", str(folder / "m"), ("access",), protocol="MsgPack:1")
    route = {"name": "r", "paths": ["/r"], "plugins": [{"name": "probe", "config": {"mode": "x"}}]}
    service = {"name": "s", "url": f"http://127.0.0.1:{upstream.port}", "routes": [route]}
    settings = Settings(plugins=("bundled", "probe"), read_timeout=0.3)
    with running({"services": [service]}, info, settings=settings) as started:
        yield started


def ask(method: str, *arguments: Any) -> Answer:
    """Asks for one function, then ends."""
    wanted = {"Data": {"Method": method, "Args": list(arguments)}, "EventId": "e"}

    def answer(call: list[Any]) -> list[list[Any]]:
        return [[1, call[1], None, wanted if call[2] == "plugin.HandleEvent" else RETURN]]

    return answer


PASS: dict[str, Answer] = {
    "closed": lambda call: None,
    "silent": lambda call: [],
    "error": lambda call: [[1, call[1], "some failure", None]],
    "empty": lambda call: [[1, call[1], "", None]],
    "false": lambda call: [[1, call[1], False, None]],
    "nil": lambda call: [[1, call[1], None, None]],
}
BREAK: dict[str, Answer] = {
    "wrong id": lambda call: [[1, call[1] + 1, None, RETURN]],
    "map": lambda call: [[1, call[1], {"code": 7}, None]],
    "no message": lambda call: [[3]],
    "no data": lambda call: [[1, call[1], None, {"EventId": 1}]],
    "no arguments": ask("kong.response.set_header"),
    "null": ask("kong.request.get_query_arg", None),
}


@pytest.mark.parametrize("failure", PASS)
def test_an_event_that_fails_lets_the_request_pass(
    packed: Server, kong: Kong, upstream: Upstream, failure: str
) -> None:
    packed.answer = PASS[failure]
    assert http1.request(kong.port, "/r").status == 200
    assert len(upstream.requests) == 1


def test_a_server_that_died_lets_the_request_pass_once_there_was_an_instance(packed: Server, kong: Kong) -> None:
    assert http1.request(kong.port, "/r").status == 200
    packed.answer = lambda call: None
    http1.request(kong.port, "/r")
    packed.close()
    assert http1.request(kong.port, "/r").status == 200


@pytest.mark.parametrize("failure", BREAK)
def test_what_breaks_kongs_own_code_is_a_500(packed: Server, kong: Kong, upstream: Upstream, failure: str) -> None:
    packed.answer = BREAK[failure]
    assert http1.request(kong.port, "/r").status == 500
    assert not upstream.requests


def test_a_late_answer_is_what_the_next_request_gets(packed: Server, kong: Kong) -> None:
    late: list[list[Any]] = []

    def answer(call: list[Any]) -> list[list[Any]]:
        late.append([1, call[1], None, RETURN])
        return late if len(late) > 1 else []

    packed.answer = answer
    assert http1.request(kong.port, "/r").status == 200
    assert http1.request(kong.port, "/r").status == 500


def test_an_unknown_function_answers_nothing(packed: Server, kong: Kong) -> None:
    packed.answer = ask("kong.nope.nope", "a")
    assert http1.request(kong.port, "/r").status == 200
    assert packed.methods == ["plugin.StartInstance", "plugin.HandleEvent", "plugin.Step"]
    assert packed.steps[-1] == {"EventId": "e"}


def test_header_maps_come_as_lists_and_a_body_as_bin(packed: Server, kong: Kong) -> None:
    packed.answer = ask("kong.request.get_headers")
    http1.request(kong.port, "/r", ("x-a", "\xff"))
    assert packed.steps[-1]["Data"] == {"host": ["outrider.test"], "x-a": ["\udcff"]}
    packed.answer = ask("kong.request.get_raw_body")
    http1.request(kong.port, "/r", method="POST", body=b"caf\xe9")
    assert packed.steps[-1]["Data"] == b"caf\xe9"


def test_a_body_over_the_buffer_is_a_500(packed: Server, kong: Kong, upstream: Upstream) -> None:
    packed.answer = ask("kong.request.get_raw_body")
    assert http1.request(kong.port, "/r", method="POST", body=b"x" * 8193).status == 500
    assert not upstream.requests


def test_another_process_id_means_another_server(packed: Server, kong: Kong) -> None:
    pids = iter([1, 1, 2, 2])
    packed.answer = lambda call: [[2, "serverPid", next(pids)], [1, call[1], None, RETURN]]
    for _ in range(4):
        assert http1.request(kong.port, "/r").status == 200
    starts = [at for at, method in enumerate(packed.methods) if method == "plugin.StartInstance"]
    assert starts == [0, 4]


def test_after_an_exit_no_step_follows_and_the_connection_is_kept(packed: Server, kong: Kong) -> None:
    packed.answer = ask("kong.response.exit", 403, {"message": "no"}, {"x-a": ["1", "2"]})
    for _ in range(2):
        answer = http1.request(kong.port, "/r")
        assert (answer.status, answer.body, answer.all("x-a")) == (403, b'{"message":"no"}', ["1", "2"])
    assert packed.methods == ["plugin.StartInstance", "plugin.HandleEvent", "plugin.HandleEvent"]
