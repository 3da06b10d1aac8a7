"""The parts of a request that parameters stand in, each read once."""

from collections.abc import Mapping
from functools import cached_property

from outrider import Headers
from outrider_plugins.openapi.values import BadTextError, decoded

_NAMES = 1000


class Parts:
    """`path` has the segments of the path by the names in its template, raw."""

    def __init__(self, path: Mapping[str, str], query: str, headers: Headers) -> None:
        self.path = path
        self.headers = headers
        self._query = query

    @cached_property
    def query(self) -> Mapping[str, list[str]]:
        """The raw values by name. Raises `BadTextError` for a name that can't be read."""
        found: dict[str, list[str]] = {}
        for part in self._query.split("&"):
            if part:
                name, _, value = part.partition("=")
                found.setdefault(decoded(name, plus=True), []).append(value)
                if len(found) > _NAMES:
                    raise BadTextError("stands among more names than a query may have")
        return found

    @cached_property
    def cookies(self) -> Mapping[str, list[str]]:
        """The raw values by name (RFC 6265, section 4.2.1)."""
        found: dict[str, list[str]] = {}
        for part in ";".join(self.headers.get_all("cookie")).split(";"):
            name, _, value = part.strip(" \t").partition("=")
            if name:
                found.setdefault(name, []).append(value)
        return found

    def texts(self, where: str, name: str) -> list[str]:
        """All raw values that a parameter of that place and name has."""
        if where == "query":
            return self.query.get(name, [])
        if where == "header":
            return self.headers.get_all(name)
        if where == "cookie":
            return self.cookies.get(name, [])
        return [self.path[name]]
