"""Which route takes a request by the rules that Kong documents: simple, slow, and written apart from what it checks.

https://developer.konghq.com/gateway/routing/traditional/ ; among equals, as Kong does without a database, the highest
identifier.
"""

import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

Route = dict[str, Any]
"""A route as it stands in the file, with an id."""


@dataclass(frozen=True)
class Ask:
    """A request, its path in normal form."""

    method: str = "GET"
    host: str = "h"
    path: str = "/"
    headers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


def chosen(routes: Sequence[Route], ask: Ask, port: int = 80) -> str | None:
    """The name of the route; None: no route matches. `port` is the listener's."""
    best: tuple[tuple[Any, ...], str] | None = None
    for route in routes:
        for rank, path in _ranked(route):
            if _meets(route, path, ask, port) and (best is None or rank > best[0]):
                best = rank, route["name"]
    return best[1] if best else None


def _ranked(route: Route) -> Iterator[tuple[tuple[Any, ...], str | None]]:
    attributes = sum(1 for name in ("paths", "hosts", "methods", "headers", "snis") if route.get(name))
    plain = bool(route.get("hosts")) and "*" not in "".join(route["hosts"])
    lengths = [-1 if path[0] == "~" else len(path.encode()) for path in route.get("paths") or ()]
    kinds = sorted(set(lengths), key=lengths.index)
    for path, length in zip(route.get("paths") or [None], lengths or [0], strict=True):
        regex = length == -1
        part = f"{route['id']}#{kinds.index(length) + 1}" if len(kinds) > 1 else ""
        namespace = uuid.UUID("7f145bf9-0dce-4f91-98eb-debbce4b9f6b")
        identifier = str(uuid.uuid5(namespace, part)) if part else route["id"]
        priority = route.get("regex_priority", 0) if regex else 0
        rank = (attributes, plain, len(route.get("headers") or {}), regex, priority, max(length, 0), identifier)
        yield rank, path


def _meets(route: Route, path: str | None, ask: Ask, port: int) -> bool:
    if route.get("methods") and ask.method not in route["methods"]:
        return False
    if route.get("hosts") and not any(_is_host(host, ask.host.lower(), port) for host in route["hosts"]):
        return False
    headers: dict[str, list[str]] = route.get("headers") or {}
    for name, values in headers.items():
        given = [value.lower() for key, value in ask.headers if key.lower() == name.lower()]
        if not any(_is_value(value.lower(), one) for value in values for one in given):
            return False
    plain = unquote(re.sub(r"%(?=2[13456789ABCF]|3[ABDF]|40|5[BD])", "%25", ask.path))
    if path is None:
        return True
    return bool(re.match(path[1:].replace("?<", "?P<"), plain)) if path[0] == "~" else plain.startswith(path)


def _is_host(wanted: str, given: str, port: int) -> bool:
    name, _, of_request = given.partition(":")
    wanted, _, of_route = wanted.partition(":")
    if of_route and int(of_route) != int(of_request or port):
        return False
    if wanted.startswith("*"):
        return name.endswith(wanted[1:])
    return name.startswith(wanted[:-1]) if wanted.endswith("*") else name == wanted


def _is_value(wanted: str, given: str) -> bool:
    return bool(re.search(wanted[2:], given)) if wanted.startswith("~*") else wanted == given
