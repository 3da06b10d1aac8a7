"""Writes what a chain changed as Envoy's mutations, and its replies as Envoy's immediate responses."""

from collections.abc import Iterable, Iterator

from outrider.request import Request
from outrider.response import Response
from outrider.verdict import Reply
from outrider_envoy.overload import refusing
from outrider_envoy.wire import number, number_tag, raw_header, sized, tag

Changes = Iterable[tuple[str, list[str]]]

# HeaderMutation
_SET, _REMOVE = tag(1), tag(2)
# ProcessingResponse and ImmediateResponse
_IMMEDIATE = tag(7)
_STATUS, _HEADERS, _BODY, _GRPC_STATUS, _DETAILS = tag(1), tag(2), tag(3), tag(4), tag(5)
_CODE = number_tag(1)


def header_set(name: str, value: str) -> bytes:
    """One header of a mutation, in the place of those of its name."""
    return raw_header(_SET, name, value)


def header_removed(name: str) -> bytes:
    """One name of a mutation whose headers go."""
    return sized(_REMOVE, name.encode())


def changed_headers(changes: Changes) -> bytes:
    """Each name's final values as a mutation; a name without values is removed."""
    out: list[bytes] = []
    for name, values in changes:
        if len(values) == 1:
            out.append(raw_header(_SET, name, values[0]))
            continue
        # Envoy removes before it sets: without this, fields that were there would stay beside the new ones.
        out.append(header_removed(name))
        out += [raw_header(_SET, name, value, append=place > 0) for place, value in enumerate(values)]
    return b"".join(out)


def request_changes(request: Request, *, marks_path: bool) -> bytes:
    """What the chain changed about the request's headers and its first line, as a mutation."""
    mutation = changed_headers(request.headers.changes()) if request.headers.changed else b""
    if request.line_changed:
        mutation += b"".join(header_set(*field) for field in line_changes(request, marks_path=marks_path))
    return mutation


def line_changes(request: Request, *, marks_path: bool) -> Iterator[tuple[str, str]]:
    """The headers by which Envoy sends another method, path or query; `marks_path` where `PATH_KEY` came."""
    if request.upstream_method is not None:
        yield ":method", request.upstream_method
    if (path := request.upstream_path) is not None:
        query = f"?{request.query}" if request.query else ""
        yield ":path", f"/{path}{query}" if marks_path else path + query
        if marks_path and "x-forwarded-path" not in request.headers:
            # Envoy would tell upstream the new one.
            yield "x-forwarded-path", request.path
    elif request.query_changed:
        yield ":path", request.target


def response_changes(request: Request, response: Response) -> bytes:
    """What the chain changed about the response's headers and status, as a mutation."""
    mutation = changed_headers(response.headers.changes()) + changed_headers(request.reply_changes())
    return mutation + header_set(":status", str(response.status)) if response.status_changed else mutation


def immediate(reply: Reply) -> bytes:
    """A reply as Envoy's immediate response; the status is never left out, which Envoy would read as 200."""
    headers: list[bytes] = []
    before = ""
    for name, value in reply.headers:
        # Only a repeated name appends: Envoy has put a content-type of its own there already.
        headers.append(raw_header(_SET, name, value, append=name == before))
        before = name
    parts = [
        sized(_STATUS, _CODE + number(reply.status)),
        sized(_HEADERS, b"".join(headers)),
        sized(_BODY, reply.body),
        b"" if reply.grpc_status is None else sized(_GRPC_STATUS, _CODE + number(reply.grpc_status)),
        sized(_DETAILS, b"outrider"),
    ]
    return sized(_IMMEDIATE, b"".join(parts))


refuse_unread = refusing(immediate)
"""The immediate response of an overloaded worker."""
