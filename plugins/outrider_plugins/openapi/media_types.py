"""Media types and ranges of them (RFC 9110, section 8.3.1 and 12.5.1)."""

import re
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, TypeVar

from outrider_plugins.openapi.values import BadTextError

Form = Literal["json", "form", "text", "other"]
_Content = TypeVar("_Content")

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110, section 5.6.2
_LONGEST = 1024  # characters
_TYPE = re.compile(rf"({_TOKEN})/({_TOKEN})")
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*(?:({_TOKEN})=(?:({_TOKEN})|"((?:[^"\\]|\\.)*)"))?')


class MediaType(NamedTuple):
    """One media type, or a range of them; names in lower case."""

    kind: str
    subtype: str
    parameters: Mapping[str, str]

    @property
    def form(self) -> Form:
        """How its bodies are read."""
        if self.subtype == "json" or self.subtype.endswith("+json"):
            return "json"
        if (self.kind, self.subtype) == ("application", "x-www-form-urlencoded"):
            return "form"
        return "text" if (self.kind, self.subtype) == ("text", "plain") else "other"

    @property
    def is_utf8(self) -> bool:
        """Whether its charset is UTF-8, which it is without one."""
        return self.parameters.get("charset", "utf-8").lower() in ("utf-8", "utf8", "us-ascii")

    def covers(self, other: "MediaType") -> bool:
        """Whether the other one is in this range; a charset makes no difference."""
        own = ((name, value) for name, value in self.parameters.items() if name != "charset")
        kinds = self.kind in ("*", other.kind) and self.subtype in ("*", other.subtype)
        return kinds and all(other.parameters.get(name) == value for name, value in own)

    @property
    def narrowness(self) -> tuple[bool, bool, int]:
        """The higher, the fewer media types are in the range."""
        return self.kind != "*", self.subtype != "*", len(self.parameters)


def media_type(text: str) -> MediaType:
    """The media type in a content-type. Raises `BadTextError`."""
    text = text.strip(" \t")
    begin = _TYPE.match(text)
    if begin is None or len(text) > _LONGEST:
        raise BadTextError("is no media type")
    at = begin.end()
    parameters: dict[str, str] = {}
    while at < len(text):
        if (found := _PARAMETER.match(text, at)) is None:
            raise BadTextError("is no media type")
        name, plain, quoted = found.groups()
        if name is not None:
            if name.lower() in parameters:
                raise BadTextError("has a parameter that stands twice")
            parameters[name.lower()] = plain if plain is not None else re.sub(r"\\(.)", r"\1", quoted)
        at = found.end()
    return MediaType(begin[1].lower(), begin[2].lower(), parameters)


def best(ranges: Iterable[tuple[MediaType, _Content]], given: MediaType) -> _Content | None:
    """What the narrowest range has that the given media type is in."""
    fitting = [(one.narrowness, content) for one, content in ranges if one.covers(given)]
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None
