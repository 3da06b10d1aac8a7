"""Plugins that do what a request's own headers tell them."""

import asyncio
import sys
import time
from collections.abc import Awaitable
from typing import Any, cast

from outrider import Needs, Plugin, Refusal, Reply, Request, Response
from outrider.headers import Headers


class Script(Plugin):
    """Does what `x-script` says, word by word: `set x-a one; append x-a two; remove x-b; query a=1; raise`."""

    def needs(self) -> Needs:
        return Needs(rewrites=frozenset({"path", "method"}))

    def on_request(self, request: Request, /) -> Reply | Awaitable[Reply]:
        script = request.headers.get("x-script", "")
        if script.startswith("wait"):
            return _wait(script, request)
        return _run(script, request, request.headers)


class ResponseScript(Plugin):
    """Does what `x-response-script` says to upstream's answer."""

    def on_response(self, request: Request, response: Response, /) -> Reply | Awaitable[Reply]:
        script = request.headers.get("x-response-script", "")
        if script.startswith("wait"):
            return _wait(script, request)
        if script.startswith("status"):
            response.status = int(script.split()[1])
            return None
        return _run(script, request, response.headers)


class Block(Plugin):
    """Holds the whole worker up where `x-block` says for how many seconds."""

    def on_request(self, request: Request, /) -> None:
        if "x-block" in request.headers:
            time.sleep(float(request.headers["x-block"]))


class EchoHeader(Plugin):
    """Puts `x-echo` into the reply headers, whatever answers."""

    def needs(self) -> Needs:
        return Needs(reply_headers=("x-echoed",))

    def on_request(self, request: Request, /) -> None:
        request.reply_headers["x-echoed"] = request.headers.get("x-echo", "")


def _run(script: str, request: Request, headers: Headers) -> Reply:
    for step in filter(None, script.split("; ")):
        verb, _, rest = step.partition(" ")
        name, _, value = rest.partition(" ")
        match verb:
            case "set":
                headers[name] = value
            case "append":
                headers.append(name, value)
            case "remove":
                del headers[name]
            case "query":
                request.query = rest
            case "path":
                request.upstream_path = rest
            case "method":
                request.upstream_method = rest
            case _:
                return _end(verb, rest)
    return None


def _end(verb: str, rest: str) -> Reply:
    match verb:
        case "raise":
            raise RuntimeError("secret-of-the-exception")
        case "exit":
            sys.exit(0)
        case "reply":
            return Response(int(rest), body=b"scripted")
        case "refuse":
            return Refusal(int(rest), "Scripted")
        case "reply-text":
            # What a type checker would not let through.
            response = Response(200)
            response.body = cast("Any", rest)
            return response
        case "return":
            values: dict[str, Any] = {"int": 42, "bytes": b"bytes", "text": "text", "true": True, "list": []}
            return cast("Reply", values[rest])
        case _:
            raise ValueError(verb)


async def _wait(script: str, request: Request) -> Reply:
    step, _, rest = script.partition("; ")
    await asyncio.sleep(float(step.split()[1]))
    return _run(rest, request, request.headers)
