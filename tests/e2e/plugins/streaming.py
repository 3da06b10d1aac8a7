"""Plugins on bodies that pass piece by piece."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, ClassVar

from outrider import AbortError, LogRecord, Needs, Plugin, Refusal, Request, Response


class Ended(Plugin):
    """Writes one line to `log` for each request that has ended."""

    priority: ClassVar[int] = 900

    log: Path

    def on_log(self, request: Request, log: LogRecord, /) -> None:
        line = [request.headers.get("x-case", ""), log.ending, log.status, log.request_bytes, log.response_bytes]
        with self.log.open("a") as file:
            file.write(f"{json.dumps(line)}\n")


class Observed(Plugin):
    """Takes the digest of both bodies as they pass, and writes it to `log`."""

    log: Path

    def needs(self) -> Needs:
        return Needs()

    def on_request_chunk(self, request: Request, chunk: bytes, last: bool, /) -> bytes:
        self._see(request, "request", chunk, last=last)
        return chunk

    def on_response_chunk(self, request: Request, _: Response, chunk: bytes, last: bool, /) -> bytes:
        self._see(request, "response", chunk, last=last)
        return chunk

    def _see(self, request: Request, side: str, chunk: bytes, *, last: bool) -> None:
        digest = _DIGESTS.setdefault((request.id, side), hashlib.sha256())
        digest.update(chunk)
        if last:
            del _DIGESTS[request.id, side]
            with self.log.open("a") as file:
                file.write(f"{json.dumps([request.headers.get('x-case', ''), side, digest.hexdigest()])}\n")


_DIGESTS: dict[tuple[str, str], Any] = {}


class Events(Plugin):
    """Puts `seen` into each server-sent event; holds what is no whole event yet, and lets it go at the end."""

    def needs(self) -> Needs:
        return Needs(resizes=frozenset({"on_response_chunk"}))

    def on_response_chunk(
        self, request: Request, _: Response, chunk: bytes, last: bool, /
    ) -> bytes | Awaitable[bytes]:
        whole, mark, rest = (_held(request) + chunk).rpartition(b"\n\n")
        request.context["held"] = "" if last else rest.decode("latin-1")
        return (whole + mark).replace(b"data: ", b"data: seen ") + (rest if last else b"")


class AsyncEvents(Events):
    """The same, and waits a moment over each."""

    async def on_response_chunk(self, request: Request, response: Response, chunk: bytes, last: bool, /) -> bytes:
        await asyncio.sleep(0.001)
        seen = super().on_response_chunk(request, response, chunk, last)
        assert isinstance(seen, bytes)
        return seen


def _held(request: Request) -> bytes:
    return str(request.context.get("held", "")).encode("latin-1")


class Doubled(Plugin):
    """Sends every byte of both bodies twice, and says at the end how many there were."""

    def needs(self) -> Needs:
        return Needs(resizes=frozenset({"on_request_chunk", "on_response_chunk"}))

    def on_request_chunk(self, request: Request, chunk: bytes, last: bool, /) -> bytes:
        return _doubled(chunk, last=last)

    def on_response_chunk(self, request: Request, _: Response, chunk: bytes, last: bool, /) -> bytes:
        return _doubled(chunk, last=last)


def _doubled(chunk: bytes, *, last: bool) -> bytes:
    twice = bytearray(2 * len(chunk))
    twice[::2] = twice[1::2] = chunk
    return bytes(twice) + (b"." if last else b"")


class Upper(Plugin):
    """Changes letters and no length; leaves a body alone where `x-skip` names its side."""

    def on_request(self, request: Request, /) -> None:
        if "request" in request.headers.get("x-skip", ""):
            request.skip_body()

    def on_request_chunk(self, request: Request, chunk: bytes, last: bool, /) -> bytes:
        return chunk.upper()

    def on_response(self, request: Request, response: Response, /) -> None:
        if "response" in request.headers.get("x-skip", ""):
            response.skip_body()

    def on_response_chunk(self, request: Request, _: Response, chunk: bytes, last: bool, /) -> bytes:
        return chunk.upper()


class Whole(Plugin):
    """Reads both bodies as a whole, unless `x-skip-whole` names the side; tells their lengths."""

    def on_request(self, request: Request, /) -> None:
        if "request" in request.headers.get("x-skip-whole", ""):
            request.skip_body()

    def on_request_body(self, request: Request, body: bytes, /) -> None:
        request.headers["x-whole"] = str(len(body))

    def on_response(self, request: Request, response: Response, /) -> None:
        if "response" in request.headers.get("x-skip-whole", ""):
            response.skip_body()

    def on_response_body(self, request: Request, response: Response, body: bytes, /) -> None:
        response.headers["x-whole"] = str(len(body))


class Chunked(Plugin):
    """Does what `x-request-chunk` and `x-response-chunk` say at the first chunk with `!` in it."""

    def on_request_chunk(self, request: Request, chunk: bytes, last: bool, /) -> bytes | Awaitable[bytes]:
        return _scripted(request.headers.get("x-request-chunk", "") if b"!" in chunk else "", chunk)

    def on_response_chunk(
        self, request: Request, _: Response, chunk: bytes, last: bool, /
    ) -> bytes | Awaitable[bytes]:
        return _scripted(request.headers.get("x-response-chunk", "") if b"!" in chunk else "", chunk)


def _scripted(script: str, chunk: bytes) -> bytes | Awaitable[bytes]:
    match script.split():
        case ["raise"]:
            raise RuntimeError("secret-of-the-exception")
        case ["abort", status]:
            raise AbortError(Refusal(int(status), "Enough"))
        case ["wait", seconds]:
            return _late(float(seconds), chunk)
        case ["longer"]:
            return chunk + b"more"
        case _:
            return chunk


async def _late(seconds: float, chunk: bytes) -> bytes:
    await asyncio.sleep(seconds)
    return chunk


class TakesOver(Plugin):
    """Answers in place of upstream's response where `x-take-over` is set."""

    def on_response(self, request: Request, response: Response, /) -> Response | None:
        return Response(418, body=b"short and stout") if "x-take-over" in request.headers else None


class Signed(Plugin):
    """Lets a body on whose digest is in `x-digest`; replaces it where `x-replace` is set."""

    def on_request_body(self, request: Request, body: bytes, /) -> bytes | Response | None:
        if request.headers.get("x-digest") != hashlib.sha256(body).hexdigest():
            return Refusal(403, "Not signed")
        return b"another" if "x-replace" in request.headers else None


class ReplyNote(Plugin):
    """Sets a reply header of the configured name to what `x-note` says; twice where `x-note-2` is there."""

    header: str = "x-note"

    def needs(self) -> Needs:
        return Needs(reply_headers=(self.header,))

    def on_request(self, request: Request, /) -> None:
        for given in ("x-note", "x-note-2"):
            if given in request.headers:
                request.reply_headers.append(self.header, request.headers[given])


class Stop(Plugin):
    """Refuses where `x-stop` is set."""

    priority: ClassVar[int] = 50

    def on_request(self, request: Request, /) -> Response | None:
        return Refusal(403, "Stopped") if "x-stop" in request.headers else None
