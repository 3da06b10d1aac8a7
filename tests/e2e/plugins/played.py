"""Three plugins in a chain that play their parts of what `x-play` says, in every hook but those of chunks."""

import json
from typing import Any, ClassVar

from outrider import Needs, Plugin, Refusal, Reply, Request, Response
from outrider.headers import Headers
from outrider.plugin import BodyReply

Part = list[list[Any]]


class First(Plugin):
    """Changes the request, sets the reply header `x-note`, answers or fails."""

    priority: ClassVar[int] = 3000

    def needs(self) -> Needs:
        return Needs(reply_headers=("x-note",))

    def on_request(self, request: Request, /) -> Reply:
        return _played(self._part(request, "request"), request, request.headers)

    def _part(self, request: Request, hook: str) -> Part:
        play: dict[str, Part] = json.loads(request.headers.get("x-play", "{}"))
        return play.get(f"{type(self).__name__.removeprefix('Whole')} {hook}", [])


class Second(First):
    priority: ClassVar[int] = 2000


class Third(First):
    priority: ClassVar[int] = 1000


class WholeFirst(First):
    """Changes the response and both bodies too."""

    def on_request_body(self, request: Request, body: bytes, /) -> BodyReply:
        part = self._part(request, "request_body")
        return _rewritten(part, body) or _played(part, request, request.headers)

    def on_response(self, request: Request, response: Response, /) -> Reply:
        part = self._part(request, "response")
        for _, status in (step for step in part if step[0] == "status"):
            response.status = status
        return _played(part, request, response.headers)

    def on_response_body(self, request: Request, response: Response, body: bytes, /) -> BodyReply:
        part = self._part(request, "response_body")
        return _rewritten(part, body) or _played(part, request, response.headers)


class WholeSecond(WholeFirst):
    priority: ClassVar[int] = 2000


class WholeThird(WholeFirst):
    priority: ClassVar[int] = 1000


def _played(part: Part, request: Request, headers: Headers) -> Reply:
    for step in part:
        match step:
            case ["set", name, value]:
                headers[name] = value
            case ["append", name, value]:
                headers.append(name, value)
            case ["remove", name]:
                headers.discard(name)
            case ["query", query]:
                request.query = query
            case ["note", value]:
                request.reply_headers["x-note"] = value
            case ["refuse", status]:
                return Refusal(status, "Not in this play")
            case ["reply", status, body, pairs]:
                return Response(status, body=body, headers=[(name, value) for name, value in pairs])
            case ["raise"]:
                raise RuntimeError("in the play")
            case _:
                pass
    return None


def _rewritten(part: Part, body: bytes) -> bytes | None:
    for verb, *given in part:
        if verb == "body":
            return str(given[0]).encode() + body
    return None
