"""What request-transform and response-transform do to headers."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, ConfigDict

from outrider import HeaderName, Headers, Request, Response
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
        compiled = partial(compile_template, place=place, on_response=on_response)
        self._replace = [(name, compiled(text)) for name, text in replace.items()]
        self._add = [(name, compiled(text)) for name, text in add.items()]
        self._append = [(name, compiled(text)) for name, text in append.items()]
        texts = [text for _, text in (*self._replace, *self._add, *self._append)]
        self._is_constant = all(isinstance(text, str) for text in texts)
        self._known: Filled | None = None

    def fill(self, request: Request, response: Response | None = None) -> Filled:
        """The values for one request, as it is now."""
        if self._known is not None:
            return self._known

        def filled(values: Iterable[tuple[str, str | Template]]) -> list[tuple[str, str]]:
            return [(name, text if isinstance(text, str) else text(request, response)) for name, text in values]

        found = Filled(filled(self._replace), filled(self._add), filled(self._append))
        if self._is_constant:
            self._known = found
        return found


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
    if old not in headers or old == new:
        return
    texts = headers.get_all(old)
    headers.discard(old)
    # What stood under the new name goes: it must not pass for the renamed one.
    headers.discard(new)
    for text in texts:
        headers.append(new, text)
