"""Bodies of requests and responses, read by their media type and checked by its schema."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from outrider_plugins.json_body import BadJSONError, read_in_steps
from outrider_plugins.openapi.findings import Finding
from outrider_plugins.openapi.forms import read_form
from outrider_plugins.openapi.media_types import MediaType, best, media_type
from outrider_plugins.openapi.schemas import Schema
from outrider_plugins.openapi.values import BadTextError, readings

EXPLAINED: Final = 64 * 1024
"""The largest body, in bytes, of which is said where it does not fit: to look for the places takes its time."""
_OCTETS = MediaType("application", "octet-stream", {})


@dataclass(frozen=True, slots=True)
class Content:
    """One media type of a body; without a schema anything goes.

    `lists` are the properties of a form that are lists in one text, with what separates their items.
    """

    schema: Schema | None
    lists: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a body with its content-type is read as, and checked by."""

    media: MediaType
    content: Content

    @property
    def is_unchecked(self) -> bool:
        """Whether any bytes will do."""
        return self.content.schema is None

    @property
    def is_unreadable(self) -> bool:
        """Whether it has a schema that nothing here can be checked by."""
        return not self.is_unchecked and self.media.form == "other"


@dataclass(frozen=True, slots=True)
class Body:
    """A body by its media types."""

    ranges: Sequence[tuple[MediaType, Content]]
    required: bool = False

    def choose(self, content_type: str | None) -> Choice | None:
        """What a body of that content-type is; None if there is none of it (RFC 9110, section 8.3)."""
        try:
            media = _OCTETS if content_type is None else media_type(content_type)
        except BadTextError:
            return None
        content = best(self.ranges, media)
        return None if content is None else Choice(media, content)


def findings_in_steps(choice: Choice, raw: bytes) -> Generator[None, None, list[Finding]]:
    """What is wrong with a body, with a pause between what takes long with a large one."""
    schema = choice.content.schema
    if schema is None:
        return []
    try:
        values = yield from _values(choice, schema, raw)
    except (BadTextError, BadJSONError) as error:
        return [Finding("body", "", "", str(error))]
    yield
    if any(schema.fits(value) for value in values):
        return []
    if len(raw) > EXPLAINED:
        return [Finding("body", "", "", "does not fit its schema")]
    return [Finding("body", "", pointer, what) for pointer, what in schema.misfits(values[0])]


def _values(choice: Choice, schema: Schema, raw: bytes) -> Generator[None, None, Sequence[Any]]:
    """What the body can stand for."""
    if not choice.media.is_utf8:
        raise BadTextError("has another charset than UTF-8")
    if choice.media.form == "json":
        value = yield from read_in_steps(raw)
        return [value]
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise BadTextError("is not UTF-8") from None
    if choice.media.form == "form":
        return [read_form(text, schema, choice.content.lists)]
    return readings(text, schema.types)
