"""Three plugins that say when they run, and how each request ended."""

import json
from pathlib import Path
from typing import ClassVar

from outrider import LogRecord, Needs, Plugin, Request, Response


class Outer(Plugin):
    """Adds its name to `x-order` in both directions, and writes one line a request to `log`."""

    priority: ClassVar[int] = 3000

    log: Path

    def needs(self) -> Needs:
        return Needs(optional=frozenset({"on_response", "on_log"}))

    def on_request(self, request: Request, /) -> Response | None:
        request.headers.append("x-order", type(self).__name__)
        return None

    def on_response(self, _: Request, response: Response, /) -> Response | None:
        response.headers.append("x-order", type(self).__name__)
        return None

    def on_log(self, request: Request, log: LogRecord, /) -> None:
        line = [request.headers.get("x-case", ""), type(self).__name__, log.ending, log.status, log.plugin]
        with self.log.open("a") as file:
            file.write(f"{json.dumps(line)}\n")


class Middle(Outer):
    """The same, and answers where `x-reply` says so; with `x-response-reply` it takes upstream's answer's place."""

    priority: ClassVar[int] = 2000

    def on_request(self, request: Request, /) -> Response | None:
        if "x-reply" in request.headers:
            return Response(int(request.headers["x-reply"]), body=b"from middle", headers={"x-order": "reply"})
        return super().on_request(request)

    def on_response(self, request: Request, response: Response, /) -> Response | None:
        if "x-response-reply" in request.headers:
            return Response(
                int(request.headers["x-response-reply"]), body=b"from middle", headers={"x-order": "reply"}
            )
        return super().on_response(request, response)


class Inner(Outer):
    """The same, and fails where `x-fail` names the hook."""

    priority: ClassVar[int] = 1000

    def on_request(self, request: Request, /) -> Response | None:
        if request.headers.get("x-fail") == "on_request":
            raise RuntimeError("inner")
        return super().on_request(request)

    def on_response(self, request: Request, response: Response, /) -> Response | None:
        if request.headers.get("x-fail") == "on_response":
            raise RuntimeError("inner")
        return super().on_response(request, response)
