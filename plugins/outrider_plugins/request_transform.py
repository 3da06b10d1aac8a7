"""The plugin request-transform: other headers and another query for upstream."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar
from urllib.parse import quote, unquote_plus

from pydantic import Field
from pydantic.dataclasses import dataclass

from outrider import HeaderName, Plugin, Request, Runtime
from outrider_plugins.header_changes import (
    STRICT,
    Filled,
    QueryValue,
    Renamed,
    RequestHeaderValue,
    Values,
    change_headers,
)


@dataclass(config=STRICT, kw_only=True, frozen=True)
class Names:
    """Names of headers and query parameters."""

    headers: Sequence[HeaderName] = ()
    """Names of headers."""
    query: Sequence[str] = ()
    """Names of query parameters."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class NewNames:
    """Old names and new ones."""

    headers: Renamed = Field(default_factory=dict)
    """Old name of a header: its new name."""
    query: dict[str, str] = Field(default_factory=dict)
    """Old name of a query parameter: its new name."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class NewValues:
    """Names and values, which may hold references such as `{consumer.username}`."""

    headers: dict[HeaderName, RequestHeaderValue] = Field(default_factory=dict)
    """Name of a header: its value."""
    query: dict[str, QueryValue] = Field(default_factory=dict)
    """Name of a query parameter: its value."""


class RequestTransform(Plugin):
    """Changes the headers and the query that upstream gets.

    The fields act in the order remove, rename, replace, add, append. References in values stand for the request as
    it was before any of them.
    """

    priority: ClassVar[int] = 801

    remove: Names = Names()
    """What is taken out."""
    rename: NewNames = NewNames()
    """What gets another name; it takes the place of what already has that name."""
    replace: NewValues = NewValues()
    """New values for what is present; what is absent stays absent."""
    add: NewValues = NewValues()
    """Values for what is absent; what is present stays as it is."""
    append: NewValues = NewValues()
    """Values that are added, beside those that are present."""

    async def start(self, _: Runtime, /) -> None:
        replace, add, append = self.replace, self.add, self.append
        self._headers = Values(replace.headers, add.headers, append.headers, place="header")
        self._query = Values(replace.query, add.query, append.query, place="query")
        names = [*self.remove.query, *self.rename.query, *replace.query, *add.query, *append.query]
        self._changes_query = bool(names)

    def on_request(self, request: Request, /) -> None:
        headers = self._headers.fill(request)
        # References stand for the request as it was: all values are there before the first change.
        query = self._query.fill(request) if self._changes_query else None
        change_headers(request.headers, self.remove.headers, self.rename.headers, headers)
        if query is not None:
            changed = change_query(request.query, self.remove.query, self.rename.query, query)
            if changed != request.query:
                request.query = changed


def change_query(query: str, remove: Iterable[str], rename: Mapping[str, str], values: Filled) -> str:
    """A raw query after removing, renaming, replacing, adding and appending; what is not touched stays as sent.

    Values are percent-encoded already, names are not.
    """
    parts = query.split("&") if query else []
    for name in remove:
        parts = [part for part in parts if _name(part) != name]
    for old, new in rename.items():
        parts = _renamed(parts, old, new)
    for name, text in values.replace:
        parts = _replaced(parts, name, text)
    for name, text in values.add:
        if name not in map(_name, parts):
            parts.append(f"{_quoted(name)}={text}")
    parts += [f"{_quoted(name)}={text}" for name, text in values.append]
    return "&".join(parts)


def _renamed(parts: list[str], old: str, new: str) -> list[str]:
    names = [_name(part) for part in parts]
    if old not in names or old == new:
        return parts
    # What stood under the new name goes: it must not pass for the renamed one.
    kept = ((name, part) for name, part in zip(names, parts, strict=True) if name != new)
    return [_quoted(new) + part[len(part.partition("=")[0]) :] if name == old else part for name, part in kept]


def _replaced(parts: list[str], name: str, text: str) -> list[str]:
    """The first of that name gets the value, where it stands; further ones go."""
    first = next((part for part in parts if _name(part) == name), None)
    if first is None:
        return parts
    place = parts.index(first)
    kept = [part for part in parts[place + 1 :] if _name(part) != name]
    return [*parts[:place], f"{_quoted(name)}={text}", *kept]


def _name(part: str) -> str:
    return unquote_plus(part.partition("=")[0], errors="surrogateescape")


def _quoted(name: str) -> str:
    return quote(name, safe="", errors="surrogateescape")
