"""The log line of a fault: it says where to look, and nothing that a stranger may not see."""

import asyncio
import json
import logging
import os
import re
from pathlib import Path
from typing import Any

import pytest

from outrider import Headers, Needs, Plugin, Request, Response
from outrider.logs import JsonFormatter, TextFormatter, current_request
from outrider.needs import Hook
from outrider.testing import run

SECRET = "Bearer-hunter2"


class Leaks(Plugin):
    """Fails in the way that its field says; its exceptions hold the credential."""

    how: str

    def on_request(self, request: Request, /) -> Any:
        credential = request.headers["authorization"]
        match self.how:
            case "raise":
                raise RuntimeError(credential)
            case "key":
                return os.environ[credential]
            case "number":
                return int(credential)
            case "header":
                request.headers["x-a"] = credential + "\n"
            case "header name":
                request.headers["content-length"] = "3"
            case "return":
                return credential
            case "library":
                return json.loads(credential)
            case "chained":
                self._chained(credential)
            case _:
                return self._wait(credential)
        return None

    def _chained(self, credential: str) -> None:
        try:
            int(credential)
        except ValueError as error:
            raise LookupError(f"no {credential}") from error

    async def _wait(self, credential: str) -> None:
        await asyncio.sleep(0)
        if self.how == "late":
            await asyncio.Event().wait()
        raise OSError(credential)


def line_of(text: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.strip().startswith(text))


@pytest.mark.parametrize(
    ("how", "error", "source"),
    [
        ("raise", "RuntimeError", "raise RuntimeError(credential)"),
        ("key", "KeyError", "return os.environ[credential]"),
        ("number", "ValueError", "return int(credential)"),
        ("library", "JSONDecodeError", "return json.loads(credential)"),
        ("chained", "LookupError", 'raise LookupError(f"no {credential}") from error'),
        ("wait", "OSError", "raise OSError(credential)"),
        ("header", "HeaderError: the value for 'x-a' has", 'request.headers["x-a"] = credential + "\\n"'),
        ("header name", "HeaderError: 'content-length' belongs", 'request.headers["content-length"] = "3"'),
        ("return", "ReplyError: on_request returned str", "def on_request(self, request: Request, /) -> Any:"),
    ],
)
def test_a_fault_is_logged_with_plugin_hook_and_line_and_without_a_secret(
    how: str, error: str, source: str, caplog: pytest.LogCaptureFixture
) -> None:
    run(Leaks(how=how), Request(headers={"authorization": SECRET}))
    (record,) = caplog.records
    where = f"plugin leaks: on_request failed at test_faults_in_the_log.py:{line_of(source)}: "
    assert record.getMessage().startswith(where + error)
    assert record.levelno == logging.ERROR
    assert record.exc_info is None
    assert SECRET not in caplog.text


def test_a_hook_over_its_time_is_logged_with_its_time(caplog: pytest.LogCaptureFixture) -> None:
    run(Leaks(how="late", timeout=1), Request(headers={"authorization": SECRET}))
    line = line_of("await asyncio.Event().wait()")
    assert caplog.messages == [
        f"plugin leaks: on_request took longer than its 0.001 s at test_faults_in_the_log.py:{line}"
    ]


def test_a_hook_that_swallows_that_its_time_is_over_is_named_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    class Swallows(Plugin):
        """Goes on after it was cancelled."""

        async def on_request(self, request: Request, /) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                request.headers["x-late"] = "1"

    assert run(Swallows(timeout=1), Request()).status == 503
    line = line_of("async def on_request(self, request: Request, /) -> None:")
    assert caplog.messages == [
        f"plugin swallows: on_request took longer than its 0.001 s at test_faults_in_the_log.py:{line}"
    ]


class LeaksInChunks(Plugin):
    """Fails in a chunk hook in the way that its field says."""

    how: str

    def needs(self) -> Needs:
        return Needs(facts=frozenset({"headers"}))

    def on_request_chunk(self, request: Request, chunk: bytes, last: bool, /) -> Any:
        return _leak(self.how, request, request.headers) or chunk

    def on_response_chunk(self, request: Request, response: Response, chunk: bytes, last: bool, /) -> Any:
        return _leak(self.how, request, response.headers) or chunk


def _leak(how: str, request: Request, headers: Headers) -> Any:
    credential = request.headers["authorization"]
    match how:
        case "raise a chunk":
            raise LookupError(credential)
        case "touch what was sent":
            headers["x-late"] = credential
        case "touch what was not declared":
            return request.client
        case "another length":
            return b"longer"
        case "no bytes":
            return credential
        case _:
            return _leak_later(credential)
    return None


async def _leak_later(credential: str) -> bytes:
    await asyncio.sleep(0)
    raise PermissionError(credential)


@pytest.mark.parametrize("hook", ["on_request_chunk", "on_response_chunk"])
@pytest.mark.parametrize(
    ("how", "error", "source"),
    [
        ("raise a chunk", "LookupError", "raise LookupError(credential)"),
        ("touch what was sent", "TooLateError: 'x-late' can't be changed", 'headers["x-late"] = credential'),
        ("touch what was not declared", "UndeclaredError: request.client needs", "return request.client"),
        ("later", "PermissionError", "raise PermissionError(credential)"),
        ("another length", "ReplyError: {hook} returned 6 bytes for 5", "def {hook}(self"),
        ("no bytes", "ReplyError: {hook} returned str", "def {hook}(self"),
    ],
)
def test_a_fault_in_a_chunk_hook_is_logged_in_the_same_way(
    hook: Hook, how: str, error: str, source: str, caplog: pytest.LogCaptureFixture
) -> None:
    class OneSide(LeaksInChunks):
        """One of the two hooks."""

        def needs(self) -> Needs:
            return Needs(facts=frozenset({"headers"}), hooks=frozenset({hook}))

    request = Request(headers={"authorization": SECRET})
    outcome = run(OneSide(how=how), request, b"chunk", response=Response(body=b"chunk"))
    (record,) = caplog.records
    line = line_of(source.format(hook=hook))
    where = f"plugin one-side: {hook} failed at test_faults_in_the_log.py:{line}: "
    assert record.getMessage().startswith(where + error.format(hook=hook))
    assert SECRET not in caplog.text
    assert outcome.aborted is (hook == "on_response_chunk")
    assert type(outcome.error).__name__ == error.partition(":")[0]


def test_a_chunk_hook_over_its_time_is_logged_with_its_line(caplog: pytest.LogCaptureFixture) -> None:
    class Late(Plugin):
        """Waits for what never comes."""

        async def on_request_chunk(self, request: Request, chunk: bytes, last: bool, /) -> bytes:
            await asyncio.get_running_loop().create_future()
            return chunk

    assert run(Late(timeout=1), Request(), b"chunk").status == 503
    line = line_of("await asyncio.get_running_loop().create_future()")
    assert caplog.messages == [
        f"plugin late: on_request_chunk took longer than its 0.001 s at test_faults_in_the_log.py:{line}"
    ]


def test_a_fault_at_the_end_of_a_request_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    class Forgets(Plugin):
        """Fails when the request has ended."""

        def on_log(self, request: Request, log: Any, /) -> None:
            raise RuntimeError(request.headers["authorization"], log)

    assert run(Forgets(), Request(headers={"authorization": SECRET})).status == 200
    (record,) = caplog.records
    assert re.fullmatch(
        r"plugin forgets: on_log failed at test_faults_in_the_log\.py:\d+: RuntimeError", record.getMessage()
    )


def test_the_line_carries_the_requests_id_in_both_forms() -> None:
    record = logging.LogRecord("outrider.plugin", logging.ERROR, "x.py", 1, "two\nlines", None, None)
    token = current_request.set(Request(headers={"x-request-id": "id-1"}))
    try:
        assert TextFormatter().format(record).endswith("error   outrider.plugin: two lines request_id=id-1")
        assert json.loads(JsonFormatter().format(record))["request_id"] == "id-1"
    finally:
        current_request.reset(token)


def test_what_people_print_while_they_search_shows_no_values() -> None:
    headers = Headers({"authorization": SECRET})
    for shown in (headers, Request("GET", f"/?key={SECRET}", headers=headers), Response(headers={"x": SECRET})):
        assert SECRET not in repr(shown)
