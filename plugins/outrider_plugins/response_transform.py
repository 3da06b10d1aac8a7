"""The plugin response-transform: other headers for downstream."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from outrider import HeaderName, Plugin, Request, Response, Runtime
from outrider_plugins.header_changes import STRICT, Renamed, ResponseHeaderValue, Values, change_headers


def _refuse(_: object) -> None:
    raise ValueError("changes of the body are not yet supported: remove json")


NotYet = Annotated[None, BeforeValidator(_refuse)]


@dataclass(config=STRICT, kw_only=True, frozen=True)
class Names:
    """Names of headers."""

    headers: Sequence[HeaderName] = ()
    """Names of headers."""
    json: NotYet = None
    """Not yet supported."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class NewNames:
    """Old names and new ones."""

    headers: Renamed = Field(default_factory=dict)
    """Old name of a header: its new name."""
    json: NotYet = None
    """Not yet supported."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class NewValues:
    """Names and values, which may hold references such as `{response.status}`."""

    headers: dict[HeaderName, ResponseHeaderValue] = Field(default_factory=dict)
    """Name of a header: its value."""
    json: NotYet = None
    """Not yet supported."""


class ResponseTransform(Plugin):
    """Changes the headers that downstream gets.

    The fields act in the order remove, rename, replace, add, append. References in values stand for the request as
    it went upstream, and for the response as it was before any of them.
    """

    priority: ClassVar[int] = 800

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
        replace, add, append = self.replace.headers, self.add.headers, self.append.headers
        self._values = Values(replace, add, append, place="header", on_response=True)

    def on_response(self, request: Request, response: Response, /) -> None:
        values = self._values.fill(request, response)
        change_headers(response.headers, self.remove.headers, self.rename.headers, values)
