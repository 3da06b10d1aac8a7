"""Plugins that tell what a request looks like from inside, and how often they were asked."""

import json
import os
import signal
from pathlib import Path

from outrider import Plugin, Request, Response


class Tell(Plugin):
    """Tells upstream which route and which client the plugins see."""

    def on_request(self, request: Request, /) -> None:
        request.headers["x-route"] = request.route.name
        request.headers["x-client"] = request.client


class Dies(Plugin):
    """Writes one line for each request that reaches it to `log`; where `x-die` is set, its whole worker dies."""

    log: Path

    def on_request(self, request: Request, /) -> None:
        with self.log.open("a") as file:
            file.write(f"{os.getpid()}\n")
        if "x-die" in request.headers:
            os.kill(os.getpid(), signal.SIGKILL)


class Seen(Plugin):
    """Answers with all that it sees of a request, as JSON; bytes that are no UTF-8 are lone surrogates there."""

    def on_request(self, request: Request, /) -> Response:
        facts = ("method", "path", "query", "normal_path", "host", "port", "scheme", "client")
        told = {name: getattr(request, name) for name in facts}
        headers = {name: request.headers.get_all(name) for name in request.headers}
        seen = {**told, "route": request.route.name, "service": request.route.service, "headers": headers}
        return Response(200, body=json.dumps(seen).encode())
