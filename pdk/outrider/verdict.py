"""The end of a chain. There are two: the message goes on, or a reply takes its place."""

import json
from dataclasses import dataclass
from typing import Final

from outrider.errors import OverdueError, ReplyError
from outrider.grpc_status import GrpcStatus
from outrider.request import Request
from outrider.response import BODILESS, Refusal, Response

# https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md, with the two that Envoy's rate limit and
# the gRPC status page name better: 429 is RESOURCE_EXHAUSTED, a bad request INVALID_ARGUMENT.
_GRPC_STATUS = {
    400: GrpcStatus.INVALID_ARGUMENT,
    401: GrpcStatus.UNAUTHENTICATED,
    403: GrpcStatus.PERMISSION_DENIED,
    404: GrpcStatus.UNIMPLEMENTED,
    413: GrpcStatus.RESOURCE_EXHAUSTED,
    429: GrpcStatus.RESOURCE_EXHAUSTED,
    500: GrpcStatus.INTERNAL,
    502: GrpcStatus.UNAVAILABLE,
    503: GrpcStatus.UNAVAILABLE,
    504: GrpcStatus.UNAVAILABLE,
}


@dataclass(frozen=True, slots=True)
class Pass:
    """The message goes on, with the changes that the request or response recorded."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What downstream gets in place of the message. Made by `reply` alone."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    grpc_status: int | None
    """Set for a gRPC call that was refused: adapters answer it by the gateway's own means, with `body` as message."""


UNCHECKED = "The request could not be checked"
NO_ROUTE = "No route matches this request"
"""What downstream is told where no plugin speaks: the same words from a worker and from the gateway itself."""

Verdict = Pass | Reply
PASS: Final = Pass()


def reply(request: Request, response: Response) -> Reply:
    """The one constructor of replies: a checked status, the chain's reply headers, a body that fits the method."""
    if isinstance(response, Refusal):
        response = materialized(request, response)
    if response.status == 401 and "www-authenticate" not in response.headers:
        _challenge(request, response)
    for name, values in request.reply_changes():
        response.headers.discard(name)
        for value in values:
            response.headers.append(name, value)
    headers = tuple(response.headers.fields())
    if isinstance(response, Refusal):
        status = _GRPC_STATUS.get(response.status, GrpcStatus.UNKNOWN)
        return Reply(response.status, headers, response.message.encode(), status)
    body = b"" if has_no_body(request, response.status) else response.body
    return Reply(response.status, headers, body, None)


def _challenge(request: Request, response: Response) -> None:
    """Who refuses strangers knows no way in; who looked for a credential does (RFC 9110, section 15.5.2)."""
    if request.challenges:
        response.headers["www-authenticate"] = ", ".join(dict.fromkeys(request.challenges))


def has_no_body(request: Request, status: int) -> bool:
    """Whether an answer of that status ends with its headers (RFC 9110, section 6.4.1)."""
    return request.method == "HEAD" or status in BODILESS or status < 200


def check(response: Response) -> None:
    """Raises `ReplyError` for a response that a hook has broken."""
    if not isinstance(response.body, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ReplyError(f"a response's body must be bytes, not {type(response.body).__name__}")
    if isinstance(response, Refusal) and not isinstance(response.message, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ReplyError(f"a refusal's message must be text, not {type(response.message).__name__}")


def fault(request: Request, error: BaseException) -> Response:
    """What downstream gets where a hook failed: nothing about why."""
    if isinstance(error, OverdueError):
        return materialized(request, Refusal(503, "The request took too long to check"))
    return materialized(request, Refusal(500, UNCHECKED))


def overloaded() -> Refusal:
    """What downstream gets from a worker that has too much to do."""
    return Refusal(503, "The gateway is overloaded", headers={"retry-after": "1"})


def materialized(request: Request, response: Response) -> Response:
    """A copy with its body written out: a plugin may return one object for many requests, and later hooks change it.

    A refusal of a gRPC call stays one: its message goes into the status.
    """
    check(response)
    if not isinstance(response, Refusal):
        own = Response(response.status, body=response.body)
    elif request.is_grpc:
        own = Refusal(response.status, response.message)
    else:
        own = Response(response.status, body=refusal_body(response.message, request.id))
    own.headers.adopt(response.headers.copy())
    if isinstance(response, Refusal) and not isinstance(own, Refusal):
        own.headers["content-type"] = "application/json"
    return own


def refusal_body(message: str, request_id: str) -> bytes:
    """The JSON that every refusal has as its body."""
    return json.dumps({"message": message, "request_id": request_id}).encode()
