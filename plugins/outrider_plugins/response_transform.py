"""The plugin response-transform: another status, headers or body for downstream."""

import asyncio
from collections.abc import Awaitable, Sequence
from functools import cached_property
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from outrider import BodyReply, HeaderName, Needs, Plugin, Refusal, Request, Response
from outrider.needs import Fact, Hook
from outrider.response import BODILESS
from outrider_plugins.header_changes import STRICT, Renamed, ResponseHeaderValue, Values, change_headers
from outrider_plugins.references import Seen
from outrider_plugins.transforms.bodies import LARGEST, PART, Bodies, Changed, Job, Unreadable
from outrider_plugins.transforms.codings import readable_codings
from outrider_plugins.transforms.fields import MOST, Pointer, RenamedPointers, ResponseJson
from outrider_plugins.transforms.json_changes import JsonChanges
from outrider_plugins.transforms.statuses import StatusRange, statuses_in


@dataclass(config=STRICT, kw_only=True, frozen=True)
class Names:
    """Names of headers and of parts of a JSON body."""

    headers: Sequence[HeaderName] = ()
    """Names of headers."""
    json: Sequence[Pointer] = ()
    """JSON pointers into the body."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class NewNames:
    """Old names and new ones."""

    headers: Renamed = Field(default_factory=dict)
    """Old name of a header: its new name."""
    json: RenamedPointers = Field(default_factory=dict)
    """JSON pointer to a member of an object: the pointer to its new place."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class NewValues:
    """Names and values, which may hold references such as `{response.status}`."""

    headers: dict[HeaderName, ResponseHeaderValue] = Field(default_factory=dict)
    """Name of a header: its value."""
    json: dict[Pointer, ResponseJson] = Field(default_factory=dict)
    """JSON pointer into the body: a value of any type."""


_PARTIAL = 206  # RFC 9110, section 15.3.7


def _with_body(status: int) -> int:
    if status in BODILESS:
        raise ValueError(f"{status} has no body, which upstream's would follow all the same: choose another status")
    return status


class ResponseTransform(Plugin):
    """Changes the status, the headers and the body that downstream gets.

    The fields act in the order remove, rename, replace, add, append. References in values stand for the request as
    it went upstream, and for the response as it was before any of them.
    """

    priority: ClassVar[int] = 800
    rare_hooks: ClassVar[frozenset[Hook]] = frozenset({"on_request", "on_response_body"})

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
    if_status: Sequence[StatusRange] = ()
    """Only responses with one of these statuses are changed: numbers, or ranges such as `500-599`; none for all."""
    status: Annotated[int, Field(ge=200, le=599), AfterValidator(_with_body)] | None = None
    """The status that downstream gets; null for upstream's. 204, 205 and 304 stay as they are."""
    body: ResponseJson = None
    """A JSON value with references, in the place of any body; null for none."""
    on_bad_body: Literal["refuse", "pass"] = "refuse"
    """What becomes of a response whose body is to be changed and can't be read: `refuse` with 502, or `pass` with
    that body."""
    max_body: int = Field(default=LARGEST, ge=1, le=MOST)
    """The largest body that is changed, in bytes, unpacked where it is compressed."""

    @model_validator(mode="after")
    def _has_one_body(self) -> Self:
        if self._bodies is not None and self._bodies.are_ambiguous:
            raise ValueError("has a body and operations on json, which it would replace: keep one of them")
        return self

    def needs(self) -> Needs:
        facts = self._headers.facts
        if self._bodies is None:
            return Needs(facts=facts, hooks=frozenset({"on_response"}))
        own = frozenset[Fact]({"headers", "method"})
        hooks = frozenset[Hook]({"on_request", "on_response", "on_response_body"})
        return Needs(facts=facts | self._bodies.facts | own, hooks=hooks)

    def on_request(self, request: Request, /) -> None:
        headers = request.headers
        # A part of a body is none that can be changed.
        headers.discard("range")
        if accepted := headers.get("accept-encoding"):
            headers["accept-encoding"] = readable_codings(accepted)

    def on_response(self, request: Request, response: Response, /) -> Refusal | None:
        if self._statuses and response.status not in self._statuses:
            response.skip_body()
            return None
        if self._bodies is not None:
            concerns = self._concerns(self._bodies, request, response)
            if concerns is True:
                # All is changed at once, when the body is there: it may yet be refused.
                return None
            if concerns and self.on_bad_body == "refuse":
                return _refusal(concerns)
            response.skip_body()
        self._change(request, response)
        return None

    def on_response_body(
        self, request: Request, response: Response, body: bytes, /
    ) -> BodyReply | Awaitable[BodyReply]:
        if self._bodies is None:
            return None
        job = self._bodies.job(response.headers, body, Seen(request, response))
        if job.is_quick:
            return self._finish(request, response, job.run())
        return self._finish_later(request, response, job)

    async def _finish_later(self, request: Request, response: Response, job: Job) -> BodyReply:
        return self._finish(request, response, await asyncio.to_thread(job.run))

    def _finish(self, request: Request, response: Response, changed: Changed) -> BodyReply:
        if isinstance(changed, Unreadable):
            if self.on_bad_body == "refuse":
                return _refusal(changed)
            changed = None
        self._change(request, response, about=self._bodies if changed is not None else None)
        return changed

    def _change(self, request: Request, response: Response, about: Bodies | None = None) -> None:
        """Changes all but the body. Where that has changed, `about` knows what headers say of it."""
        values = self._headers.fill(Seen(request, response))
        if about is not None:
            about.describe(response.headers)
        change_headers(response.headers, self.remove.headers, self.rename.headers, values)
        if self.status is not None and response.status not in BODILESS:
            response.status = self.status

    def _concerns(self, bodies: Bodies, request: Request, response: Response) -> bool | Unreadable:
        if request.method == "HEAD" or response.status in BODILESS:
            return False
        concerns = bodies.concerns(response.headers)
        if concerns is True and (response.status == _PARTIAL or "content-range" in response.headers):
            return PART
        return concerns

    @cached_property
    def _statuses(self) -> frozenset[int]:
        return statuses_in(self.if_status)

    @cached_property
    def _headers(self) -> Values:
        values = (one.headers for one in (self.replace, self.add, self.append))
        return Values(*values, place="header", on_response=True)

    @cached_property
    def _bodies(self) -> Bodies | None:
        values = (one.json for one in (self.replace, self.add, self.append))
        json = JsonChanges(self.remove.json, self.rename.json, *values, on_response=True)
        return Bodies(json, whole=self.body, largest=self.max_body, on_response=True) or None


def _refusal(unreadable: Unreadable) -> Refusal:
    return Refusal(502, f"Upstream's response can't be changed. {unreadable.why}")
