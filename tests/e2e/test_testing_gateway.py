"""`outrider.testing.Gateway`: plugins behind a real Envoy, in a few lines of a test."""

import json
import logging
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from harness import http1
from harness.outrider import free_port, is_alive
from harness.process import until
from harness.upstream import Answer, Upstream
from outrider import AbortError, HeaderName, Needs, Plugin, Refusal, Request, Response, Runtime, StartError
from outrider.needs import CHUNK_HOOKS
from outrider.testing import Gateway, PluginFault, replay
from outrider_plugins.key_auth import KeyAuth


class AddTeam(Plugin):
    """Adds one header."""

    header: HeaderName
    value: str = "yes"

    def on_request(self, request: Request, /) -> None:
        request.headers[self.header] = self.value


class Shouts(Plugin):
    """Writes bodies in capitals; does what `x-do` says in the hook that it begins with."""

    def needs(self) -> Needs:
        return Needs(resizes=CHUNK_HOOKS)

    def on_request(self, request: Request, /) -> Response | None:
        if request.headers.get("x-do") == "block":
            time.sleep(60)
        return _done("request", request)

    def on_request_chunk(self, request: Request, chunk: bytes, last: bool, /) -> bytes:
        _done("request chunk", request)
        return chunk.upper() + b"!" * last

    def on_response_chunk(self, request: Request, response: Response, chunk: bytes, last: bool, /) -> bytes:
        _done("response chunk", request)
        return chunk.upper() + b"?" * last


def _done(hook: str, request: Request) -> Response | None:
    match request.headers.get("x-do", "").removeprefix(f"{hook}: "):
        case "raise":
            raise LookupError("hunter2")
        case "reply":
            return Response(418, body=b"short and stout")
        case "touch":
            request.headers["x-late"] = "1"
        case "abort":
            raise AbortError(Refusal(413, "Too large"))
        case _:
            pass
    return None


class Clings(Plugin):
    """Fails when it starts, or when it stops."""

    fails: Literal["start", "stop"]

    async def start(self, runtime: Runtime, /) -> None:
        if self.fails == "start":
            raise LookupError("hunter2")

    async def stop(self) -> None:
        if self.fails == "stop":
            raise PermissionError("hunter2")

    def on_request(self, request: Request, /) -> None: ...


@pytest.fixture(scope="module")
def shared() -> Iterator[Gateway]:
    with Gateway(Shouts(timeout=200), AddTeam(header="x-team", value="blue")) as gateway:
        yield gateway


def test_upstream_gets_what_the_plugins_made_of_the_request(shared: Gateway) -> None:
    outcome = shared.request("GET", "/orders?page=1", headers={"x-given": "é"})
    assert (outcome.status, outcome.error, outcome.aborted) == (200, None, False)
    upstream = outcome.upstream
    assert upstream is not None
    assert (upstream.method, upstream.target, upstream.host) == ("GET", "/orders?page=1", "localhost")
    assert (upstream.headers["x-team"], upstream.headers["x-given"]) == ("blue", "é")


@pytest.mark.parametrize("body", [b"one two", [b"one", b" two"]], ids=["whole", "in pieces"])
def test_bodies_pass_the_chunk_hooks_in_both_directions(shared: Gateway, body: Any) -> None:
    outcome = shared.request(
        "POST", body=body, response=Response(201, headers={"x-a": "b"}), response_chunks=[b"three", b" four"]
    )
    assert (outcome.status, outcome.headers["x-a"]) == (201, "b")
    assert (outcome.upstream_body, outcome.body) == (b"ONE TWO!", b"THREE FOUR?")


def test_several_requests_do_not_mix(shared: Gateway) -> None:
    for number in range(5):
        outcome = shared.request("PUT", f"/{number}", body=b"%d" % number, response=Response(body=f"n{number}"))
        assert (outcome.upstream_body, outcome.body) == (b"%d!" % number, b"N%d?" % number)


def test_a_reply_did_not_reach_upstream(shared: Gateway) -> None:
    outcome = shared.request(headers={"x-do": "request: reply"})
    assert (outcome.status, outcome.body, outcome.upstream) == (418, b"short and stout", None)


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ("request: raise", "on_request failed at test_testing_gateway.py:{raised}: LookupError"),
        ("request chunk: raise", "on_request_chunk failed at test_testing_gateway.py:{raised}: LookupError"),
        (
            "request chunk: touch",
            "on_request_chunk failed at test_testing_gateway.py:{touched}: TooLateError: 'x-late'",
        ),
        ("response chunk: raise", "on_response_chunk failed at test_testing_gateway.py:{raised}: LookupError"),
    ],
)
def test_a_fault_is_in_the_outcome_and_in_the_log_of_the_test(
    shared: Gateway, caplog: pytest.LogCaptureFixture, script: str, fault: str
) -> None:
    outcome = shared.request("POST", headers={"x-do": script}, body=b"body", response=Response(body=b"x"))
    assert isinstance(outcome.error, PluginFault)
    places = {
        "raised": line_of('raise LookupError("hunter2")'),
        "touched": line_of('request.headers["x-late"] = "1"'),
    }
    assert str(outcome.error).startswith(f"plugin shouts: {fault.format(**places)}")
    assert caplog.record_tuples == [("outrider.plugin", logging.ERROR, str(outcome.error))]
    assert "hunter2" not in shared.log
    # The response's headers may be on their way by then: what follows is cut.
    assert outcome.status == 500 or (script.startswith("response") and outcome.aborted)


def test_an_abort_is_a_decision_and_no_fault(shared: Gateway) -> None:
    outcome = shared.request("POST", headers={"x-do": "request chunk: abort"}, body=[b"body"])
    assert (outcome.status, outcome.upstream, outcome.error) == (413, None, None)


def test_a_plugin_that_blocks_is_named_with_its_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    with Gateway(Shouts(timeout=200)) as gateway:
        assert gateway.request(headers={"x-do": "block"}).status in (503, 504)
        until(lambda: "did not answer" in gateway.log)
    [line] = [message for message in caplog.messages if "did not answer" in message]
    assert f"test_testing_gateway.py:{line_of('time.sleep(60)')}): replaced" in line


def test_a_plugin_that_fails_to_start_is_named_with_its_line() -> None:
    gateway = Gateway(Clings(fails="start"))
    with pytest.raises(
        StartError, match=r"clings: start failed at test_testing_gateway\.py:\d+: LookupError"
    ) as raised:
        gateway.__enter__()
    assert "hunter2" not in str(raised.value)


def test_a_plugin_that_fails_to_stop_is_named_with_its_line(caplog: pytest.LogCaptureFixture) -> None:
    with Gateway(Clings(fails="stop")) as gateway:
        assert gateway.request().error is None
    line = line_of('raise PermissionError("hunter2")')
    assert f"plugin clings: stop failed at test_testing_gateway.py:{line}: PermissionError" in caplog.messages
    assert "hunter2" not in gateway.log


def test_an_installed_plugin_and_consumers_come_along() -> None:
    alice = {"username": "alice", "keyauth_credentials": [{"key": "alice-key"}]}
    with Gateway(KeyAuth(header="x-key"), consumers=[alice], protocol="ext_authz") as gateway:
        assert gateway.request().status == 401
        outcome = gateway.request(headers={"x-key": "alice-key"})
    assert outcome.upstream is not None
    assert outcome.upstream.headers["x-consumer-username"] == "alice"


def test_what_passed_is_recorded_and_can_be_replayed_without_a_gateway(tmp_path: Path, upstream: Upstream) -> None:
    file = tmp_path / "recorded.jsonl"
    upstream.answer = Answer(201, chunks=[b"one", b" two"])
    plugin = Shouts()
    with Gateway(plugin, record=file, upstream=f"http://127.0.0.1:{upstream.port}") as gateway:
        port = int(gateway.url.rpartition(":")[2])
        # Any client will do.
        answered = http1.request(port, "/a?token=hunter2", ("authorization", "hunter2"), method="POST", body=b"sent")
        assert http1.request(port, "/", ("x-do", "request: reply")).status == 418
    assert "hunter2" not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    kinds = [next(iter(json.loads(line))) for line in file.read_text().splitlines()]
    assert [kind for kind in kinds if not kind.endswith("chunk")] == ["request", "response", "request"]
    first, second = replay(plugin, file)
    assert first.upstream is not None
    assert (first.upstream.path, first.upstream_body) == ("/a", b"SENT!")
    assert (first.status, first.body) == (answered.status, answered.body) == (201, b"ONE TWO?")
    assert second.status == 418


def test_a_port_that_somebody_took_meanwhile_is_given_up_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = iter([port, free_port(), free_port(), port, free_port(), free_port()])
        monkeypatch.setattr("outrider.testing.gateway._free_port", lambda: next(ports))
        with Gateway(AddTeam(header="x-a")) as gateway:
            assert gateway.request().status == 200


def test_a_gateway_leaves_no_process_and_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    # Not tmp_path: the path of a socket must be short. And of its own: what a killed test left is no fault of ours.
    short = Path(tempfile.mkdtemp(dir="/tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("TMPDIR", str(short))
    with Gateway(AddTeam(header="x-a")) as gateway:
        log = gateway.log
        assert list(short.iterdir())
        envoys = [pid for pid in _pids() if str(short) in _command(pid)]
        assert envoys
    assert not list(short.iterdir())
    assert not any(is_alive(pid) for pid in envoys)
    assert gateway.log.startswith(log)
    short.rmdir()


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def line_of(text: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.strip() == text)
