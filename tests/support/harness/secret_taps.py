"""Listens where secrets come in and texts go out in this process, so that no test has to tell of either."""

import inspect
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from harness import secret_sources as sources
from harness.secret_outputs import modules_of, named_files, words

TESTS = str(Path(__file__).parents[2])
_FORMATTER = logging.Formatter()
Hear = Callable[..., None]
"""Gets what a function returned (None if it raised), and its arguments."""


class Watch(Protocol):
    """Who is told."""

    def use(self, found: sources.Found) -> None: ...
    def came_out(self, kind: str, text: str | bytes, *, far: bool = False) -> None: ...
    def started(self, process: "subprocess.Popen[Any]", fields: Mapping[str, Any]) -> None: ...


class Taps:
    """One at each place, laid as soon as its module was imported: no test should import what it does not need."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._waiting: dict[tuple[str, str], Hear] = {
            ("pydantic", "SecretStr.__init__"): self._secret,
            ("outrider.config.secrets", "Secrets.__post_init__"): self._references,
            ("signing", "Signer.sign_text"): self._token,
            ("outrider.request", "Request.__init__"): self._request,
            ("http.client", "HTTPConnection.putrequest"): self._target,
            ("http.client", "HTTPConnection.putheader"): self._header,
            ("http.server", "BaseHTTPRequestHandler.parse_request"): self._arrived,
            ("harness.http1", "send"): self._sent,
            ("harness.http1", "read"): self._read,
            ("logging", "Logger.handle"): self._record,
            ("outrider.errors", "OutriderError.__init__"): self._error,
            ("pytest", "RaisesExc.__exit__"): self._raised,
            ("outrider.verdict", "Reply.__init__"): self._reply,
            ("outrider.exposition", "generate_latest"): self._metrics,
            ("outrider_kong.render", "kong_yml"): self._rendered,
            ("outrider_kong.render", "kong_conf"): self._rendered,
            ("outrider_envoy.render", "bootstrap"): self._rendered,
            ("outrider_envoy.render", "pieces"): self._rendered,
            ("harness.rendering", "bootstrap"): self._rendered,
            ("harness.outrider", "Outrider.ready"): self._gateway,
            ("outrider.testing.gateway", "Gateway.__exit__"): self._recording,
            ("subprocess", "Popen.__init__"): self._started,
            ("subprocess", "Popen.communicate"): self._communicated,
        }

    def lay(self) -> None:
        """Lays those that can be laid by now."""
        for place in [one for one in self._waiting if one[0] in sys.modules]:
            _lay(*place, self._waiting.pop(place))

    def _secret(self, _: None, __: object, value: str) -> None:
        self._watch.use((secret, f"a SecretStr of {_caller()}") for secret in sources.secrets_in(value))

    def _references(self, _: None, vault: Any) -> None:
        values: set[str] = vault._values
        self._watch.use((value, f"a reference in {Path(vault.document.file).name}") for value in values)

    def _token(self, token: str | None, *_: object) -> None:
        self._watch.use(iter([(token or "", f"a token of {_caller()}")]))

    def _request(self, _: None, request: Any, *__: object, **___: object) -> None:
        if request.query:
            self._watch.use(sources.in_target(request.target))
        self._fields(request.headers.fields())

    def _target(self, _: None, __: object, ___: str, url: str, *____: object, **_____: object) -> None:
        self._watch.use(sources.in_target(url))

    def _header(self, _: None, __: object, name: str, *values: object) -> None:
        self._fields((name, one.decode("latin-1") if isinstance(one, bytes) else str(one)) for one in values)

    def _arrived(self, is_read: bool | None, handler: Any) -> None:
        if is_read:
            self._fields(handler.headers.items())

    def _fields(self, fields: Any) -> None:
        for name, value in fields:
            if sources.is_credential(name):
                self._watch.use(sources.in_header(name, value))

    def _sent(self, _: object, __: object, raw: bytes) -> None:
        self._watch.use(sources.in_request(raw))

    def _read(self, message: Any, *_: object, **__: object) -> None:
        if message is None or not message.start.startswith("HTTP/"):
            return
        if any("version=0.0.4" in value for value in message.all("content-type")):
            self._watch.came_out("metrics", message.body, far=True)
        elif message.status >= 400:
            self._watch.came_out("refusal", f"{message.headers}".encode() + message.body, far=True)

    def _record(self, _: None, __: object, record: Any) -> None:
        self._watch.came_out("log", _FORMATTER.format(record))

    def _error(self, _: None, error: BaseException, *__: object) -> None:
        self._watch.came_out("error", str(error))

    def _raised(self, _: object, __: object, ___: object, error: BaseException | None, *____: object) -> None:
        if error is not None:
            self._watch.came_out("error", f"{error}")

    def _reply(self, _: None, reply: Any, *__: object) -> None:
        self._watch.came_out("refusal", f"{reply.headers}".encode() + reply.body)

    def _metrics(self, page: bytes | None, *_: object) -> None:
        self._watch.came_out("metrics", page or b"")

    def _rendered(self, made: object, *_: object, **__: object) -> None:
        self._watch.came_out("rendered", made if isinstance(made, str) else json.dumps(made, default=str))

    def _gateway(self, gateway: Any, *_: object) -> None:
        if gateway is None or hasattr(gateway, "_is_searched"):
            return
        gateway._is_searched = True
        for line in gateway.children().values():
            _, _, rest = line.partition("--config-path ")
            if rest:
                self._watch.came_out("bootstrap", Path(rest.partition(" ")[0]).read_bytes(), far=True)

    def _recording(self, _: None, gateway: Any, *__: object) -> None:
        if gateway._record is not None:
            self._watch.came_out("recording", Path(gateway._record).read_bytes(), far=True)

    def _started(self, _: None, process: Any, *arguments: Any, **fields: Any) -> None:
        command = arguments[0] if arguments else fields.get("args")
        for path in named_files(command):
            self._watch.use(sources.in_file(path, fields.get("env") or os.environ))
        if hasattr(process, "pid"):
            self._watch.started(process, fields)

    def _communicated(self, pipes: tuple[Any, Any] | None, process: Any, *_: object, **__: object) -> None:
        if pipes is None:
            return
        output = "rendered" if "render" in words(process.args) else "process"
        for kind, text in zip((output, "process"), pipes, strict=True):
            self._watch.came_out(kind, text or "")
        for text in modules_of(process.args):
            self._watch.came_out("rendered", text)


def _lay(module: str, path: str, hear: Hear) -> None:
    owner: Any = import_module(module)
    *classes, name = path.split(".")
    for one in classes:
        owner = getattr(owner, one)
    original = getattr(owner, name)

    @wraps(original)
    def tapped(*args: Any, **kwargs: Any) -> Any:
        result = None
        try:
            result = original(*args, **kwargs)
        finally:
            hear(result, *args, **kwargs)
        return result

    setattr(owner, name, tapped)


def _caller() -> str:
    """The line of a test, or of what it uses, that is at work."""
    frame = inspect.currentframe()
    while frame is not None and (frame.f_code.co_filename == __file__ or TESTS not in frame.f_code.co_filename):
        frame = frame.f_back
    return f"{frame.f_code.co_filename.removeprefix(TESTS + '/')}:{frame.f_lineno}" if frame else "an unknown place"
