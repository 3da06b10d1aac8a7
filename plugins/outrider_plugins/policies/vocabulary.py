"""What expressions can speak of, read from a request: only what they mention, and only what they can hold."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import parse_qsl

from outrider import Consumer, Request
from outrider.needs import Fact

Members = frozenset[str] | None
"""Those that an expression names; None for all."""
Read = Callable[[Request], object]

_PARAMETERS = 1000
_DEPTH = 32
_INTEGERS = range(-(2**63), 2**63)
_DEFAULT_PORTS = {"http": 80, "https": 443}

FACTS: Mapping[str, Fact] = {
    "request.method": "method",
    "request.path": "path",
    "request.query": "path",
    "request.headers": "headers",
    "request.host": "host",
    "request.port": "host",
    "request.scheme": "host",
    "request.client": "client",
    "request.id": "headers",
}
"""Which fact each variable comes from."""


class UnfitError(ValueError):
    """A value that CEL would read as another one, or not at all."""


def reader(variable: str, members: Members) -> Read:
    """Reads a variable, and of a map no more than `members`. It raises `UnfitError`."""
    return _MAPS[variable](members) if variable in _MAPS else _PLAIN[variable]


def _text(text: str) -> str:
    # The library reads a text as C does, up to a NUL, and has none for bytes that are no UTF-8.
    if text.isprintable() or (_is_utf8(text) and "\0" not in text):
        return text
    raise UnfitError


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _texts(texts: Iterable[str]) -> list[str]:
    return [_text(text) for text in texts]


def _perhaps(text: str | None) -> str | None:
    return None if text is None else _text(text)


def _groups(consumer: Consumer | None, read: Callable[[Consumer], Iterable[str]]) -> list[str]:
    return [] if consumer is None else _texts(read(consumer))


def _port(request: Request) -> int:
    return request.port or _DEFAULT_PORTS.get(request.scheme, 0)


def _headers(members: Members) -> Read:
    def read(request: Request) -> dict[str, str]:
        found: dict[str, str] = {}
        headers = request.headers
        for name in headers if members is None else members:
            if (value := headers.get(name)) is not None:
                found[_text(name)] = _text(value)
        return found

    return read


def _query(members: Members) -> Read:
    def read(request: Request) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, value in _parameters(request.query):
            if members is None or name in members:
                found.setdefault(_text(name), []).append(_text(value))
        return found

    return read


def _parameters(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, errors="surrogateescape", max_num_fields=_PARAMETERS)
    except ValueError:
        raise UnfitError from None


def _data(choose: Callable[[Request], Mapping[str, Any]], members: Members) -> Read:
    def read(request: Request) -> dict[str, object]:
        found: dict[str, object] = {}
        data = choose(request)
        for name in data if members is None else members:
            if name in data:
                found[_text(name)] = _json(data[name], _DEPTH)
        return found

    return read


def _json(value: object, depth: int) -> object:
    """Plain JSON data, of which nothing is lost or changed on its way into CEL."""
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and value in _INTEGERS:
        return value
    if isinstance(value, list) and depth:
        return [_json(one, depth - 1) for one in cast("list[object]", value)]
    if isinstance(value, dict) and depth:
        return {_name(name): _json(one, depth - 1) for name, one in cast("dict[object, object]", value).items()}
    raise UnfitError


def _name(name: object) -> str:
    if isinstance(name, str):
        return _text(name)
    raise UnfitError


_PLAIN: Mapping[str, Read] = {
    "request.method": lambda request: _text(request.method),
    "request.path": lambda request: _text(request.normal_path),
    "request.host": lambda request: _text(request.host),
    "request.port": _port,
    "request.scheme": lambda request: _text(request.scheme),
    "request.client": lambda request: _text(request.client),
    "request.id": lambda request: request.id,
    "request.time": lambda _: datetime.now(UTC),
    "consumer.id": lambda request: (consumer := request.consumer) and _perhaps(consumer.id),
    "consumer.username": lambda request: (consumer := request.consumer) and _perhaps(consumer.username),
    "consumer.custom_id": lambda request: (consumer := request.consumer) and _perhaps(consumer.custom_id),
    "consumer.groups": lambda request: _groups(request.consumer, lambda consumer: consumer.groups),
    "consumer.acls": lambda request: _groups(request.consumer, lambda consumer: consumer.acls),
    "consumer.tags": lambda request: _groups(request.consumer, lambda consumer: consumer.tags),
    "credential": lambda request: _perhaps(request.credential),
    "route.name": lambda request: _text(request.route.name),
    "route.service": lambda request: _text(request.route.service),
    "route.tags": lambda request: _texts(request.route.tags),
}
_MAPS: Mapping[str, Callable[[Members], Read]] = {
    "request.headers": _headers,
    "request.query": _query,
    "claims": lambda members: _data(lambda request: request.claims, members),
    "context": lambda members: _data(lambda request: request.context, members),
}
