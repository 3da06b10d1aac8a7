"""The path that upstream gets: from a template, or from what a regular expression finds in the path."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol
from urllib.parse import quote

from pydantic.dataclasses import dataclass

from outrider import Request
from outrider.errors import ReplyError
from outrider.needs import Fact
from outrider.plain_path import plain_path
from outrider.request_line import checked_path
from outrider_plugins.header_changes import STRICT
from outrider_plugins.references import Reference, Seen
from outrider_plugins.templates import as_text, facts_of, pieces_of, quoted

_MEMORY = 1024 * 1024  # bytes, for one expression and what RE2 remembers while it matches
_IN_A_PATH = "/%!$&'()*+,;=:@"  # beside letters, digits and _.-~ (RFC 3986, section 3.3)
_NO_CAPTURES: Mapping[str, str] = {}


class UnfitPathError(ValueError):
    """A request that makes no path: a value is absent, or would lead elsewhere."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class Matched:
    """Another path, for paths that a regular expression describes."""

    match: str
    """The regular expression, in RE2's syntax, of the whole path in its normal form."""
    to: str
    """The path in its place, with references, and `{path.1}` or `{path.NAME}` for what a group found."""


class _Found(Protocol):
    def groups(self, default: bytes) -> Sequence[bytes]: ...


class _Expression(Protocol):
    groups: int
    groupindex: Mapping[bytes, int]

    def fullmatch(self, text: bytes) -> _Found | None: ...


class PathChange:
    """One configured change of paths, compiled. Raises `ValueError` for one that can never work."""

    def __init__(self, path: str | Matched) -> None:
        self._expression = None if isinstance(path, str) else _compiled(path.match)
        self._numbers = _numbers(self._expression)
        self._pieces = pieces_of(path if isinstance(path, str) else path.to, captures=frozenset(self._numbers))
        sample = "".join(piece if isinstance(piece, str) else "a" for piece in self._pieces)
        begins_with_path = (
            isinstance(self._pieces[0], Reference) and self._pieces[0].is_path if self._pieces else False
        )
        try:
            checked_path(f"/{sample}" if begins_with_path else sample)
        except ReplyError:
            remedy = "begin it with one /, percent-encode it, and leave out segments of dots"
            raise ValueError(f"is no path: {remedy}") from None

    @property
    def facts(self) -> frozenset[Fact]:
        """The facts of the request that it needs."""
        own = frozenset[Fact]({"path"} if self._expression else ())
        return facts_of(self._pieces) | own

    def change(self, request: Request) -> None:
        """Sets the path for upstream, if the regular expression describes the request's. Raises `UnfitPathError`."""
        captures = _NO_CAPTURES if self._expression is None else self._captures(self._expression, request.normal_path)
        if captures is None:
            return
        seen = Seen(request, captures=captures)
        path = "".join(piece if isinstance(piece, str) else _put_in(piece, seen) for piece in self._pieces)
        try:
            request.upstream_path = path
        except ReplyError:
            raise UnfitPathError from None

    def _captures(self, expression: _Expression, path: str) -> Mapping[str, str] | None:
        try:
            # Bytes that are no UTF-8 match no class: what is about their path would be about another one.
            plain_path(path)
            found = expression.fullmatch(path.encode())
        except ValueError:
            raise UnfitPathError from None
        if found is None:
            return None
        groups = [group.decode() for group in found.groups(b"")]
        return {name: groups[number - 1] for name, number in self._numbers.items()}


def _compiled(pattern: str) -> _Expression:
    try:
        # Only here, since it is an extra; it says nothing of its types.
        re2: Any = import_module("re2")
    except ImportError:
        raise ValueError("is a regular expression, which needs google-re2: install outrider[regex]") from None
    options: Any = re2.Options()
    options.max_mem, options.log_errors = _MEMORY, False
    try:
        compiled: _Expression = re2.compile(pattern.encode(), options)
    except re2.error:
        # Its words repeat the expression.
        raise ValueError("is no regular expression in RE2's syntax, or one that is too large: mend it") from None
    return compiled


def _numbers(expression: _Expression | None) -> Mapping[str, int]:
    """The groups by all of their names, of which a number is one."""
    if expression is None:
        return {}
    named = {name.decode(): number for name, number in expression.groupindex.items()}
    return {str(number): number for number in range(1, expression.groups + 1)} | named


def _put_in(reference: Reference, seen: Seen) -> str:
    text = as_text(reference.read(seen))
    if reference.is_path:
        return quote(text, safe=_IN_A_PATH, errors="surrogateescape")
    if not (segment := quoted(text)):
        # Without the name of what it should be about, a path may be about everything.
        raise UnfitPathError
    return segment
