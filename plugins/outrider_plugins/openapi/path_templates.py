"""Path templates, found by segments: concrete ones before those with parameters (OpenAPI 3.1.1, Paths Object)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import quote

from outrider.paths import normal_path

_T = TypeVar("_T")
_NAME = re.compile(r"\{([^{}/]+)\}")
_SAFE = "/!$&'()*+,;=:@-._~%"


class Segment(NamedTuple):
    """A segment with parameters: `names`, and the texts before, between and behind them."""

    texts: tuple[str, ...]
    names: tuple[str, ...]

    def values(self, raw: str) -> list[str] | None:
        """The parameters' texts; None if the segment is another one. A text between two ends the first of them."""
        first, *between, last = self.texts
        if not raw.startswith(first) or not raw.endswith(last) or len(raw) < len(first) + len(last):
            return None
        rest = raw[len(first) : len(raw) - len(last)]
        found: list[str] = []
        for text in between:
            value, separator, rest = rest.partition(text)
            if not separator:
                return None
            found.append(value)
        found.append(rest)
        return found if all(found) else None


class Match(NamedTuple, Generic[_T]):
    """What a path leads to, and the raw texts of its parameters by name."""

    target: _T
    values: Mapping[str, str]


class _Branch(Generic[_T]):
    def __init__(self) -> None:
        self.literal: dict[str, _Branch[_T]] = {}
        self.templated: dict[tuple[str, ...], tuple[Segment, _Branch[_T]]] = {}
        self.target: tuple[_T, Sequence[str]] | None = None


class PathTemplates(Generic[_T]):
    """Finds what belongs to a path."""

    def __init__(self) -> None:
        self._root: _Branch[_T] = _Branch()

    def add(self, template: str, target: _T) -> None:
        """Raises `ValueError` for a template that can't be told from another, or can't be read."""
        branch, names = self._root, list[str]()
        for text in _segments(template):
            if "{" not in text and "}" not in text:
                branch = branch.literal.setdefault(_normal(text), _Branch())
                continue
            segment = _segment(text)
            names += segment.names
            branch = branch.templated.setdefault(segment.texts, (segment, _Branch()))[1]
        if len(set(names)) != len(names):
            raise ValueError("has a parameter twice")
        if branch.target is not None:
            raise ValueError("is the same as another path")
        branch.target = target, names

    def find(self, path: str) -> Match[_T] | None:
        """What the normal form of a path leads to."""
        found = next(self._found(self._root, path.split("/")[1:], 0, []), None)
        if found is None:
            return None
        (target, names), values = found
        return Match(target, dict(zip(names, values, strict=True)))

    def _found(
        self, branch: _Branch[_T], segments: Sequence[str], at: int, values: list[str]
    ) -> Iterator[tuple[tuple[_T, Sequence[str]], list[str]]]:
        if at == len(segments):
            if branch.target is not None:
                yield branch.target, values
            return
        if (literal := branch.literal.get(segments[at])) is not None:
            yield from self._found(literal, segments, at + 1, values)
        for segment, inner in branch.templated.values():
            if (more := segment.values(segments[at])) is not None:
                yield from self._found(inner, segments, at + 1, values + more)


def template_names(template: str) -> list[str]:
    """The parameters of a template."""
    return _NAME.findall(template)


def _segments(template: str) -> list[str]:
    if not template.startswith("/"):
        raise ValueError("does not begin with a slash")
    plain = _NAME.sub("x", template)
    if normal_path(quote(plain, safe=_SAFE)).count("/") != plain.count("/"):
        raise ValueError("has dots or slashes that no path keeps: write it in its normal form")
    return template.split("/")[1:]


def _segment(text: str) -> Segment:
    pieces = _NAME.split(text)
    texts = tuple(_normal(piece) for piece in pieces[::2])
    if not text.count("{") == text.count("}") == len(pieces) // 2 or not all(texts[1:-1]):
        raise ValueError("has braces that are no parameters, or parameters with nothing between them")
    return Segment(texts, tuple(pieces[1::2]))


def _normal(text: str) -> str:
    """Text of a template as it stands in a path's normal form."""
    # Behind a letter, as dots alone would be resolved.
    return normal_path("/x" + quote(text, safe=_SAFE))[2:]
