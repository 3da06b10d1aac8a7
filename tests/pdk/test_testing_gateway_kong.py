"""`outrider.testing.Gateway` behind the Kong stand-in: the same lines, the same outcomes."""

import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from harness.process import until
from outrider import LogRecord, Plugin, Refusal, Request, Response, Runtime, StartError
from outrider.testing import Gateway, PluginFault, replay

MISSING = """
import importlib.util as util
find = util.find_spec
util.find_spec = lambda name, *more: None if name == "lupa" else find(name, *more)
"""


class Orders(Plugin):
    """Has every hook that there is behind Kong; does what `x-do` says."""

    team: str = "blue"

    def on_request(self, request: Request, /) -> Refusal | None:
        request.headers["x-team"] = self.team
        match request.headers.get("x-do"):
            case "refuse":
                return Refusal(403, "Forbidden")
            case "raise":
                raise LookupError("hunter2")
            case _:
                return None

    def on_request_body(self, request: Request, body: bytes, /) -> bytes:
        return body.upper()

    def on_response(self, request: Request, response: Response, /) -> None:
        response.headers["x-seen"] = str(response.status)

    def on_log(self, request: Request, log: LogRecord, /) -> None:
        logging.getLogger("outrider.plugin.orders").warning("it ended with %d", log.status)


class Pieces(Plugin):
    """Looks at a body as it passes."""

    def on_request_chunk(self, request: Request, chunk: bytes, last: bool, /) -> bytes:
        return chunk


class Fails(Plugin):
    """Does not start."""

    async def start(self, runtime: Runtime, /) -> None:
        raise LookupError("hunter2")

    def on_request(self, request: Request, /) -> None: ...


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recorded") / "all.jsonl"


@pytest.fixture(scope="module")
def shared(recorded: Path) -> Iterator[Gateway]:
    with Gateway(Orders(team="red"), behind="kong", record=recorded) as gateway:
        yield gateway


def test_upstream_and_downstream_get_what_the_plugin_made_of_the_messages(shared: Gateway) -> None:
    outcome = shared.request("POST", "/orders?page=1", body=b"one", response=Response(201, body=b"two"))
    assert (outcome.status, outcome.error, outcome.body) == (201, None, b"two")
    assert outcome.headers["x-seen"] == "201"
    upstream = outcome.upstream
    assert upstream is not None
    assert (upstream.method, upstream.target, upstream.host) == ("POST", "/orders?page=1", "localhost")
    assert (upstream.headers["x-team"], outcome.upstream_body) == ("red", b"ONE")


def test_a_refusal_did_not_reach_upstream(shared: Gateway) -> None:
    outcome = shared.request(headers={"x-do": "refuse"})
    assert (outcome.status, outcome.upstream, outcome.error) == (403, None, None)


def test_a_fault_is_in_the_outcome_and_in_the_log_of_the_test(
    shared: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    outcome = shared.request(headers={"x-do": "raise"})
    assert (outcome.status, outcome.upstream) == (500, None)
    assert isinstance(outcome.error, PluginFault)
    assert str(outcome.error).startswith("plugin orders: on_request failed at test_testing_gateway_kong.py:")
    assert ("outrider.plugin", logging.ERROR, str(outcome.error)) in caplog.record_tuples
    assert "hunter2" not in shared.log


def test_the_stand_in_says_in_the_log_that_it_is_no_kong(shared: Gateway) -> None:
    assert "Kong stand-in (this is no Kong) listening on" in shared.log


def test_what_passed_is_recorded_and_can_be_replayed_without_a_gateway(shared: Gateway, recorded: Path) -> None:
    shared.request("PUT", "/kept", body=[b"a", b"b"], response=Response(202, body=b"c"))
    # Kong logs a request when its answer has gone.
    until(lambda: "/kept" in recorded.read_text())
    outcome = next(
        one for one in replay(Orders(team="red"), recorded) if one.upstream and one.upstream.path == "/kept"
    )
    assert (outcome.status, outcome.body, outcome.upstream_body) == (202, b"c", b"AB")


def test_a_hook_that_kong_has_not_is_refused_with_the_words_of_the_command() -> None:
    with (
        pytest.raises(StartError, match="plugin pieces: needs on_request_chunk, and Kong shows plugins no bodies"),
        Gateway(Pieces(), behind="kong"),
    ):
        pass


def test_a_plugin_that_fails_to_start_is_told_at_once() -> None:
    with (
        pytest.raises(StartError, match=r"fails: start failed at test_testing_gateway_kong\.py:\d+: LookupError"),
        Gateway(Fails(), behind="kong"),
    ):
        pass


def test_a_gateway_leaves_no_process_and_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    # Not tmp_path: a unix socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="kong-") as folder:
        monkeypatch.setattr("tempfile.tempdir", folder)
        with Gateway(behind="kong") as gateway:
            assert gateway.request().status == 200
            assert processes(folder)
        assert not processes(folder)
        assert not list(Path(folder).iterdir())


def processes(folder: str) -> list[str]:
    """The command lines that name the folder."""
    found: list[str] = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(file.read_text(errors="replace"))
    return [command for command in found if folder in command]


def test_a_stand_in_without_what_it_needs_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(MISSING)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with (
        pytest.raises(StartError, match=r"the Kong stand-in needs lupa: pip install 'outrider\[stand-in\]'"),
        Gateway(Orders(), behind="kong"),
    ):
        pass
