"""Which route a request takes, in the order of Kong's default router, and the path that it gets upstream."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from outrider_kong.stand_in.entities import Route
from outrider_kong.stand_in.exchange import Matched, Request
from outrider_kong.stand_in.uri import normalize

UPWARDS = re.compile(rb"\A\.\.?(?:/|\Z)")
NAMED = re.compile(r"\(\?<([A-Za-z_])")


@dataclass(frozen=True)
class Rule:
    """One path of one route, or a route without paths."""

    route: Route
    path: str | None
    pattern: re.Pattern[bytes] | None = None

    @property
    def rank(self) -> tuple[int, bool, int, bool, int, int, str]:
        """Rules are tried by falling rank: more kinds of conditions first, then regexes, then the longer prefix."""
        table = self.route.table
        kinds = sum(bool(table.get(kind)) for kind in ("paths", "hosts", "methods", "headers", "snis"))
        plain = not any("*" in host for host in self.route.strings("hosts"))
        regex = self.pattern is not None
        priority = table.get("regex_priority", 0) if regex else 0
        return (
            kinds,
            plain,
            len(table.get("headers") or {}),
            regex,
            priority,
            len((self.path or "").encode()),
            self.route.id,
        )

    def match(self, request: Request, path: bytes) -> Matched | None:
        """How a request meets the rule, if it does."""
        route = self.route
        methods = route.strings("methods")
        if methods and request.method.decode("latin-1") not in methods:
            return None
        if not _host_matches(route.strings("hosts"), request) or not _headers_match(route, request):
            return None
        return self._match_path(path)

    def _match_path(self, path: bytes) -> Matched | None:
        if self.path is None:
            return Matched(route=self.route, upstream_uri=_upstream_path(self.route, b"", path))
        if self.pattern is None:
            prefix, captures = self.path.encode(), dict[bytes | int, bytes]()
            if not path.startswith(prefix):
                return None
        else:
            found = self.pattern.match(path)
            if found is None:
                return None
            prefix, captures = found[0], _captures(found)
        uri = _upstream_path(self.route, prefix, path)
        stripped = prefix if self.route.table["strip_path"] else None
        return Matched(route=self.route, upstream_uri=uri, prefix=stripped, captures=captures)


class Router:
    """All rules, in the order in which they are tried."""

    def __init__(self, routes: Iterable[Route]) -> None:
        rules = [_rule(route, path) for route in routes for path in (*route.strings("paths"),) or (None,)]
        self._rules = sorted(rules, key=lambda rule: rule.rank, reverse=True)

    def match(self, request: Request) -> Matched | None:
        """The first rule that holds; None: Kong answers 404."""
        path = normalize(request.path)
        return next((found for rule in self._rules if (found := rule.match(request, path))), None)


def _rule(route: Route, path: str | None) -> Rule:
    if path is None or not path.startswith("~"):
        return Rule(route, path)
    # Kong's router writes named groups as (?<name>).
    return Rule(route, path, re.compile(NAMED.sub(r"(?P<\1", path[1:]).encode()))


def _host_matches(hosts: list[str], request: Request) -> bool:
    given = (request.headers.get(b"host") or b"").decode("latin-1").lower()
    name = request.host.decode("latin-1")
    return not hosts or any(_one_host(host.lower(), given if ":" in host else name) for host in hosts)


def _one_host(wanted: str, given: str) -> bool:
    if wanted.startswith("*."):
        return given.endswith(wanted[1:])
    if wanted.endswith(".*"):
        return given.startswith(wanted[:-1])
    return given == wanted


def _headers_match(route: Route, request: Request) -> bool:
    conditions: dict[str, list[str]] = route.table.get("headers") or {}
    for name, wanted in conditions.items():
        given = [value.decode("latin-1").lower() for value in request.headers.all(name.encode())]
        if not any(_one_value(value.lower(), one) for value in wanted for one in given):
            return False
    return True


def _one_value(wanted: str, given: str) -> bool:
    return re.search(wanted[2:], given) is not None if wanted.startswith("~*") else wanted == given


def _captures(found: re.Match[bytes]) -> dict[bytes | int, bytes]:
    captures: dict[bytes | int, bytes] = {}
    captures.update({at: value for at, value in enumerate(found.groups(), 1) if value is not None})
    captures.update({name.encode(): value for name, value in found.groupdict().items() if value is not None})
    return captures


def _upstream_path(route: Route, prefix: bytes, path: bytes) -> bytes:
    """Joins the service's path and what is left of the request's, as path_handling v0 does."""
    base = (route.service.path if route.service else "/").encode()
    strip = route.table["strip_path"]
    rest = UPWARDS.sub(b"", path[len(prefix) :]) if strip else path
    if not rest:
        slash = path.endswith(b"/") and len(path) > 1
        return base if base == b"/" or slash == base.endswith(b"/") else base + b"/" if slash else base[:-1]
    if not strip and path == b"/":
        return base
    return base.removesuffix(b"/") + b"/" + rest.removeprefix(b"/")
