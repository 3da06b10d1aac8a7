"""The plugin request-transform: another method, path, query, headers or body for upstream."""

import asyncio
from collections.abc import Awaitable, Sequence
from functools import cached_property
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from outrider import BodyReply, HeaderName, Needs, Plugin, Refusal, Request
from outrider.needs import Fact, Hook, Rewrite
from outrider.request_line import METHODS
from outrider_plugins.header_changes import (
    STRICT,
    Filled,
    QueryValue,
    Renamed,
    RequestHeaderValue,
    Values,
    change_headers,
)
from outrider_plugins.references import Seen
from outrider_plugins.transforms.bodies import LARGEST, Bodies, Changed, Job, Unreadable
from outrider_plugins.transforms.fields import MOST, Pointer, RenamedPointers, RequestJson
from outrider_plugins.transforms.forms import FormChanges
from outrider_plugins.transforms.json_changes import JsonChanges
from outrider_plugins.transforms.pairs import change_pairs
from outrider_plugins.transforms.paths import Matched, PathChange, UnfitPathError


@dataclass(config=STRICT, kw_only=True, frozen=True)
class Names:
    """Names of headers, query parameters, parts of a JSON body and fields of a form."""

    headers: Sequence[HeaderName] = ()
    """Names of headers."""
    query: Sequence[str] = ()
    """Names of query parameters."""
    json: Sequence[Pointer] = ()
    """JSON pointers into the body."""
    form: Sequence[str] = ()
    """Names of fields of a form."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class NewNames:
    """Old names and new ones."""

    headers: Renamed = Field(default_factory=dict)
    """Old name of a header: its new name."""
    query: dict[str, str] = Field(default_factory=dict)
    """Old name of a query parameter: its new name."""
    json: RenamedPointers = Field(default_factory=dict)
    """JSON pointer to a member of an object: the pointer to its new place."""
    form: dict[str, str] = Field(default_factory=dict)
    """Old name of a form's field: its new name."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class NewValues:
    """Names and values, which may hold references such as `{consumer.username}`."""

    headers: dict[HeaderName, RequestHeaderValue] = Field(default_factory=dict)
    """Name of a header: its value."""
    query: dict[str, QueryValue] = Field(default_factory=dict)
    """Name of a query parameter: its value."""
    json: dict[Pointer, RequestJson] = Field(default_factory=dict)
    """JSON pointer into the body: a value of any type."""
    form: dict[str, QueryValue] = Field(default_factory=dict)
    """Name of a form's field: its value."""


def _known_method(method: str) -> str:
    if method not in METHODS:
        raise ValueError(f"is no method that a request can become: choose from {', '.join(sorted(METHODS))}")
    return method


def _path(path: str | Matched) -> str | Matched:
    PathChange(path)
    return path


class RequestTransform(Plugin):
    """Changes the method, the path, the query, the headers and the body that upstream gets.

    The fields act in the order remove, rename, replace, add, append. References in values stand for the request as
    it was before any of them.
    """

    priority: ClassVar[int] = 801
    rare_hooks: ClassVar[frozenset[Hook]] = frozenset({"on_request_body"})

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
    method: Annotated[str, AfterValidator(_known_method)] | None = None
    """The method that upstream gets; null for downstream's. HEAD stays as it is."""
    path: Annotated[str | Matched, AfterValidator(_path)] | None = None
    """The path that upstream gets, with references, or `match` and `to`; null for downstream's, as the route and the
    service make it."""
    body: RequestJson = None
    """A JSON value with references, in the place of any body or none; null for none."""
    on_bad_body: Literal["refuse", "pass"] = "refuse"
    """What becomes of a request whose body is to be changed and can't be read: `refuse`, or `pass` with that body."""
    max_body: int = Field(default=LARGEST, ge=1, le=MOST)
    """The largest body that is changed, in bytes, unpacked where it is compressed."""

    @model_validator(mode="after")
    def _has_one_body(self) -> Self:
        if self._bodies is not None and self._bodies.are_ambiguous:
            raise ValueError("has a body and operations on json or form, which it would replace: keep one of them")
        return self

    def needs(self) -> Needs:
        rewrites: dict[Rewrite, object] = {"path": self.path, "method": self.method, "body": self._bodies}
        return Needs(
            facts=self._facts(),
            hooks=frozenset[Hook]({"on_request", "on_request_body"} if self._bodies else {"on_request"}),
            rewrites=frozenset(name for name, change in rewrites.items() if change is not None),
        )

    def on_request(self, request: Request, /) -> Refusal | None:
        if self._bodies is not None:
            concerns = self._bodies.concerns(request.headers)
            if concerns is True:
                # All is changed at once, when the body is there: it may yet be refused.
                return None
            if concerns and self.on_bad_body == "refuse":
                return Refusal(*concerns)
            request.skip_body()
        return self._change(request)

    def on_request_body(self, request: Request, body: bytes, /) -> BodyReply | Awaitable[BodyReply]:
        if self._bodies is None:
            return None
        job = self._bodies.job(request.headers, body, Seen(request))
        return self._finish(request, job.run()) if job.is_quick else self._finish_later(request, job)

    async def _finish_later(self, request: Request, job: Job) -> BodyReply:
        return self._finish(request, await asyncio.to_thread(job.run))

    def _finish(self, request: Request, changed: Changed) -> BodyReply:
        if isinstance(changed, Unreadable):
            if self.on_bad_body == "refuse":
                return Refusal(*changed)
            changed = None
        return self._change(request, about=self._bodies if changed is not None else None) or changed

    def _change(self, request: Request, about: Bodies | None = None) -> Refusal | None:
        """Changes all but the body. Where that has changed, `about` knows what headers say of it."""
        # References stand for the request as it was: all values are there before the first change.
        seen = Seen(request)
        headers, query = self._headers.fill(seen), self._query.fill(seen)
        if self._path is not None:
            try:
                self._path.change(request)
            except UnfitPathError:
                return Refusal(400, "The request does not fit the path that it would get")
        if self.method is not None and request.method not in ("HEAD", "CONNECT"):
            request.upstream_method = self.method
        if about is not None:
            about.describe(request.headers)
        if self._changes_headers:
            change_headers(request.headers, self.remove.headers, self.rename.headers, headers)
        if self._changes_query:
            self._change_query(request, query)
        return None

    def _change_query(self, request: Request, values: Filled) -> None:
        changed = change_pairs(request.query, self.remove.query, self.rename.query, values)
        if changed != request.query:
            request.query = changed

    def _facts(self) -> frozenset[Fact]:
        facts = self._headers.facts | self._query.facts
        for one in (self._bodies, self._path):
            facts |= one.facts if one is not None else frozenset()
        more: dict[Fact, object] = {
            "headers": self._bodies or self._changes_headers,
            "path": self._changes_query,
            "method": self.method,
        }
        return facts.union(fact for fact, change in more.items() if change)

    @cached_property
    def _headers(self) -> Values:
        return Values(self.replace.headers, self.add.headers, self.append.headers, place="header")

    @cached_property
    def _query(self) -> Values:
        return Values(self.replace.query, self.add.query, self.append.query, place="query")

    @cached_property
    def _changes_headers(self) -> bool:
        return bool(self.remove.headers or self.rename.headers or self._headers)

    @cached_property
    def _changes_query(self) -> bool:
        return bool(self.remove.query or self.rename.query or self._query)

    @cached_property
    def _path(self) -> PathChange | None:
        return None if self.path is None else PathChange(self.path)

    @cached_property
    def _bodies(self) -> Bodies | None:
        values = (self.replace, self.add, self.append)
        json = JsonChanges(self.remove.json, self.rename.json, *(one.json for one in values))
        form = FormChanges(self.remove.form, self.rename.form, Values(*(one.form for one in values), place="query"))
        return Bodies(json, form, self.body, largest=self.max_body) or None
