"""A gateway in a test, with a plugin worker, between a client and an upstream of the test's own."""

import json
import os
import random
import socket
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Self

from outrider.errors import StartError
from outrider.headers import Headers, HeaderSource
from outrider.plugin import Plugin
from outrider.request import Request
from outrider.response import Response
from outrider.testing.client import ask
from outrider.testing.command import Command, program
from outrider.testing.configuration import PluginFolders, document, entries
from outrider.testing.outcome import Body, Outcome, PluginFault
from outrider.testing.recorder import RecordRequest, RecordResponse
from outrider.testing.stand_in import stand_in
from outrider.testing.upstream import Upstream

_TRIES = 5
_TAKEN = ("can't be listened on", "Address already in use")


class Gateway:
    """Runs plugins behind a real Envoy, by the `outrider` command, as long as its `with` lasts.

        with Gateway(AddHeader(name="x-team", value="blue")) as gateway:
            outcome = gateway.request("GET", "/orders")
        assert outcome.upstream.headers["x-team"] == "blue"

    The plugins' classes stand at the top of a file, which the gateway's worker imports by itself, or are installed:
    the instances stay here, and only their configuration goes there. `consumers` are entries as in the file.
    `protocol` is how Envoy asks the plugins. With `behind="kong"` they run behind the Kong stand-in of
    outrider[stand-in], which is no Kong but behaves like one. `upstream` is the address of one of your own
    (http://HOST:PORT). `record` is a file that is written anew with all that passes, for `replay`: values of headers
    and query parameters that look like credentials are masked there, bodies are not. `patience` is how many seconds
    the start and each answer may take.

    Log lines of the gateway are logged here again. `with` raises `StartError`, with the gateway's own words, if it
    does not start.
    """

    def __init__(
        self,
        *plugins: Plugin,
        behind: Literal["envoy", "kong"] = "envoy",
        consumers: Sequence[Mapping[str, Any]] = (),
        protocol: Literal["ext_proc", "ext_authz"] = "ext_proc",
        upstream: str | None = None,
        record: Path | str | None = None,
        patience: float = 40.0,
    ) -> None:
        self._behind = behind
        recorder = [] if record is None else _recorder(plugins, Path(record).absolute(), pieces=behind == "envoy")
        self._plugins = [*plugins, *recorder]
        self._record = record
        self._consumers = consumers
        self._protocol = protocol
        self._url = upstream
        self._patience = patience
        self._upstream: Upstream | None = None
        self._stack = ExitStack()
        self._one_at_a_time = Lock()
        self._port = 0
        self._command: Command | None = None

    @property
    def url(self) -> str:
        """Where the gateway takes requests, for other clients than `request`."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def log(self) -> str:
        """All that the gateway wrote, as JSON lines."""
        return self._command.log if self._command else ""

    def request(
        self,
        method: str = "GET",
        target: str = "/",
        *,
        headers: HeaderSource = (),
        body: Body = b"",
        response: Response | None = None,
        response_chunks: Sequence[bytes] = (),
    ) -> Outcome:
        """One request through the gateway; `response` is what the upstream answers (default: 200, empty).

        A body in pieces goes with chunked encoding, and so do `response_chunks`; on their way pieces may be put
        together or cut. A fault of a plugin is a `PluginFault` in `error`. Raises `OSError` or
        `http.client.HTTPException` if there is no answer.
        """
        command, upstream = self._command, self._upstream
        if command is None or upstream is None or not command.runs:
            raise StartError("the gateway does not run: say `with Gateway(...) as gateway:`")
        sent = Request(method, target, headers=Headers(headers))
        with self._one_at_a_time:
            upstream.expect(response or Response(), response_chunks)
            command.tell()
            outcome = ask(self._port, sent, body, self._patience)
            faults = command.tell()
            error = PluginFault(faults[0]) if faults else None
            got = upstream.got
            if not got:
                return replace(outcome, error=error)
            return replace(outcome, upstream=got[-1].request, upstream_chunks=got[-1].chunks, error=error)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outrider-testing-")))
            self._upstream = stack.enter_context(Upstream())
            if self._record is not None:
                # Of its owner only: bodies are not masked.
                os.close(os.open(self._record, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
            self._start(folder, self._url or self._upstream.url, stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, folder: Path, upstream: str, stack: ExitStack) -> None:
        folders = PluginFolders(folder)
        plugins = entries(self._plugins, folders)
        for attempt in range(1, _TRIES + 1):
            self._port, metrics = _free_port(), _free_port()
            gateway = {
                "listen": f"127.0.0.1:{self._port}",
                "metrics": f"127.0.0.1:{metrics}",
                "protocol": self._protocol,
                "plugin_dirs": folders.folders,
            }
            file = folder / f"gateway-{attempt}.yaml"
            # JSON is YAML. The folder is its owner's only.
            whole = document(plugins, self._consumers, upstream, gateway)
            file.write_text(json.dumps(whole, ensure_ascii=False, indent=2), encoding="utf-8")
            try:
                self._command = _ready(
                    Command(self._arguments(file), file.with_suffix(".log"), metrics), self._patience
                )
            except StartError as error:
                # Somebody took the port since.
                if attempt == _TRIES or not any(words in str(error) for words in _TAKEN):
                    raise
            else:
                stack.callback(self._command.stop)
                return

    def _arguments(self, file: Path) -> list[str]:
        return stand_in(file, self._port) if self._behind == "kong" else [program("envoy"), "run", str(file)]


def _ready(command: Command, seconds: float) -> Command:
    try:
        command.wait(seconds)
    except BaseException:
        command.stop()
        raise
    return command


def _free_port() -> int:
    """A port that nobody listens on, below the range that the kernel gives to whoever asks for any."""
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311 - no secret
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _recorder(plugins: Sequence[Plugin], path: Path, *, pieces: bool) -> list[Plugin]:
    """Records bodies in `pieces`, but one that another plugin needs whole: the chunk hooks would see it changed."""
    hooks = {hook for plugin in plugins for hook in plugin.hooks()}
    request = RecordRequest(path=path, buffered=not pieces or "on_request_body" in hooks)
    return [request, RecordResponse(buffered=not pieces or "on_response_body" in hooks)]
