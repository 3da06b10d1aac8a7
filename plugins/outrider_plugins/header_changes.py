"""What request-transform and response-transform do to headers."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, ConfigDict

from outrider import HeaderName, Headers
from outrider.needs import Fact
from outrider_plugins.references import Seen
from outrider_plugins.templates import Place, Template, compile_template

STRICT = ConfigDict(extra="forbid", use_attribute_docstrings=True)
"""For the groups of fields of both plugins."""


def _checked(text: str, place: Place, *, on_response: bool) -> str:
    compile_template(text, place, on_response=on_response)
    return text


RequestHeaderValue = Annotated[str, AfterValidator(partial(_checked, place="header", on_response=False))]
ResponseHeaderValue = Annotated[str, AfterValidator(partial(_checked, place="header", on_response=True))]
QueryValue = Annotated[str, AfterValidator(partial(_checked, place="query", on_response=False))]
Renamed = dict[HeaderName, HeaderName]


class Filled(NamedTuple):
    """The names and values to put in, with every reference resolved."""

    replace: list[tuple[str, str]]
    add: list[tuple[str, str]]
    append: list[tuple[str, str]]


class Values:
    """The names and values to put in at one place, compiled."""

    def __init__(
        self,
        replace: Mapping[str, str],
        add: Mapping[str, str],
        append: Mapping[str, str],
        *,
        place: Place,
        on_response: bool = False,
    ) -> None:
        parts = [_Part(texts, place, on_response=on_response) for texts in (replace, add, append)]
        self._replace, self._add, self._append = parts
        self.facts = frozenset[Fact]().union(*(part.facts for part in parts))
        """The facts of the request that the values need."""
        is_constant = not any(part.templates for part in parts)
        self._known = Filled(*(part.constants for part in parts)) if is_constant else None

    def __bool__(self) -> bool:
        return self._known is None or any(self._known)

    def fill(self, seen: Seen) -> Filled:
        """The values for one message, as it is now."""
        if self._known is not None:
            return self._known
        return Filled(self._replace.fill(seen), self._add.fill(seen), self._append.fill(seen))


class _Part:
    """The names and values of one operation."""

    def __init__(self, texts: Mapping[str, str], place: Place, *, on_response: bool) -> None:
        compiled = [(name, compile_template(text, place, on_response=on_response)) for name, text in texts.items()]
        self.constants = [(name, text) for name, text in compiled if isinstance(text, str)]
        self.templates = compiled if len(self.constants) < len(compiled) else []
        """All of them, if any is a template; else they are `constants`."""
        self.facts = frozenset[Fact]().union(*(text.facts for _, text in compiled if isinstance(text, Template)))

    def fill(self, seen: Seen) -> list[tuple[str, str]]:
        if not self.templates:
            return self.constants
        return [(name, text if isinstance(text, str) else text(seen)) for name, text in self.templates]


def change_headers(headers: Headers, remove: Iterable[str], rename: Mapping[str, str], values: Filled) -> None:
    """Removes, renames, replaces, adds and appends, in that order."""
    for name in remove:
        headers.discard(name)
    for old, new in rename.items():
        _rename(headers, old, new)
    for name, text in values.replace:
        if name in headers:
            headers[name] = text
    for name, text in values.add:
        if name not in headers:
            headers[name] = text
    for name, text in values.append:
        headers.append(name, text)


def _rename(headers: Headers, old: str, new: str) -> None:
    texts = headers.get_all(old)
    if not texts or old == new:
        return
    del headers[old]
    # What stood under the new name goes: it must not pass for the renamed one.
    headers[new] = texts[0]
    for text in texts[1:]:
        headers.append(new, text)
