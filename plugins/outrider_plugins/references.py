"""What the references in configured values stand for, such as `{consumer.username}`."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote_plus

from outrider import Request, Response
from outrider.consumer import JSON
from outrider.needs import Fact
from outrider_plugins.members import member

_NO_CAPTURES: Mapping[str, str] = {}


class Seen(NamedTuple):
    """What references stand for parts of: a request, its response where there is one, and captures of its path."""

    request: Request
    response: Response | None = None
    captures: Mapping[str, str] = _NO_CAPTURES


@dataclass(frozen=True, slots=True)
class Reference:
    """A part of a message: which fact of the request it needs, and how it is read; None where it is absent."""

    fact: Fact | None
    read: Callable[[Seen], JSON]
    is_path: bool = False
    """Whether it is a piece of a raw path, percent-encoded already."""


_Named = tuple[Fact | None, Callable[[str], Callable[[Seen], JSON]]]


def _of_consumer(name: str) -> Reference:
    return Reference(None, lambda seen: getattr(seen.request.consumer, name, None))


_REQUEST: dict[str, Reference] = {
    "request.method": Reference("method", lambda seen: seen.request.method),
    "request.path": Reference("path", lambda seen: seen.request.path, is_path=True),
    "request.query": Reference("path", lambda seen: seen.request.query),
    "request.host": Reference("host", lambda seen: seen.request.host),
    # It may be that of x-request-id.
    "request.id": Reference("headers", lambda seen: seen.request.id),
    "request.client": Reference("client", lambda seen: seen.request.client),
    "consumer.username": _of_consumer("username"),
    "consumer.id": _of_consumer("id"),
    "consumer.custom_id": _of_consumer("custom_id"),
    "credential": Reference(None, lambda seen: seen.request.credential),
    "route.name": Reference(None, lambda seen: seen.request.route.name),
    "service.name": Reference(None, lambda seen: seen.request.route.service),
}
_REQUEST_NAMED: dict[str, _Named] = {
    "request.headers.": ("headers", lambda name: lambda seen: seen.request.headers.get(name)),
    "request.query.": ("path", lambda name: lambda seen: _parameter(seen.request.query, name)),
    "claims.": (None, lambda name: lambda seen: member(seen.request.claims, name)),
    "context.": (None, lambda name: lambda seen: member(seen.request.context, name)),
}
_RESPONSE: dict[str, Reference] = {
    "response.status": Reference(None, lambda seen: seen.response and seen.response.status),
}
_RESPONSE_NAMED: dict[str, _Named] = {
    "response.headers.": (None, lambda name: lambda seen: seen.response and seen.response.headers.get(name)),
}
_CAPTURE = "path."


def reference(text: str, *, on_response: bool = False, captures: frozenset[str] = frozenset()) -> Reference:
    """What a reference stands for; `captures` are the names of those that `{path.NAME}` may have.

    Raises `ValueError` for one that does not exist (there).
    """
    if text.startswith("response.") and not on_response:
        raise ValueError("refers to the response, which is not there yet: use response-transform")
    if text.startswith(_CAPTURE) and (name := text.removeprefix(_CAPTURE)) in captures:
        return Reference("path", _captured(name), is_path=True)
    single = _REQUEST | _RESPONSE if on_response else _REQUEST
    if text in single:
        return single[text]
    named = _REQUEST_NAMED | _RESPONSE_NAMED if on_response else _REQUEST_NAMED
    for prefix, (fact, reading) in named.items():
        if text.startswith(prefix) and text != prefix:
            return Reference(fact, reading(text.removeprefix(prefix)))
    known = [*single, *(f"{prefix}NAME" for prefix in named), *(_CAPTURE + name for name in sorted(captures))]
    if nearest := difflib.get_close_matches(text, known, 1):
        raise ValueError(f"has an unknown reference: did you mean {{{nearest[0]}}}?")
    listed = ", ".join(f"{{{name}}}" for name in known)
    raise ValueError(f"has an unknown reference: write {{{{ and }}}} for braces, or one of {listed}")


def _captured(name: str) -> Callable[[Seen], JSON]:
    return lambda seen: seen.captures[name]


def _parameter(query: str, name: str) -> str | None:
    """The first parameter of that name."""
    return next(_values(query, name), None)


def _values(query: str, name: str) -> Iterator[str]:
    for part in query.split("&"):
        found, _, value = part.partition("=")
        if part and unquote_plus(found, errors="surrogateescape") == name:
            yield unquote_plus(value, errors="surrogateescape")
