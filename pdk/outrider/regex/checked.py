"""Regular expressions of paths and of headers, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from outrider.regex.machine import Machine
from outrider.regex.nodes import (
    Edge,
    Fold,
    Node,
    One,
    RegexError,
    Repeat,
    Row,
    is_greedy,
    literal_of,
    size_of,
    text_of,
)
from outrider.regex.parser import Parser

_LARGEST = 1000
_LARGEST_OF_A_VALUE = 200
# Envoy before 1.40 looks at all values of a header at once, with commas between.
_OF_A_VALUE = {"^": "(?:^|,)", "$": "(?:$|,)"}


@dataclass(frozen=True, slots=True)
class Regex:
    """A regular expression without captures, as RE2 takes it."""

    text: str
    literal: str
    """What everything that it matches begins with."""
    to_end: bool
    """Whether what it matches ends where the path ends."""
    greedy: bool
    """Whether it has neither alternatives nor lazy repetitions, so that it takes as much as it can."""


@lru_cache(maxsize=4096)
def path_regex(pattern: str) -> Regex:
    """The regular expression of a path, which stands behind the `~` in the file.

    It describes the path as Kong normalises it, plain; what comes out describes it as Envoy has it, escaped.
    Raises `RegexError`.
    """
    if not pattern.startswith("/"):
        raise RegexError("does not begin with a slash", "begin it with ~/")
    if pattern[1:2] in tuple("?*+{"):
        raise RegexError("repeats the slash that every path begins with", "repeat what stands behind it")
    return _checked(Parser(pattern, is_path=True).parse(), _LARGEST)


@lru_cache(maxsize=4096)
def header_regex(pattern: str) -> Regex:
    """The regular expression of a header's value, which stands behind the `~*`; any part of the value may match.

    Kong compares in lower case, expression and value. Raises `RegexError`.
    """
    for at, char in enumerate(pattern):
        if char == "\\" and pattern[at + 1 : at + 2].isupper():
            what = f"has {pattern[at : at + 2]}, which Kong makes {pattern[at : at + 2].lower()}"
            raise RegexError(what, "write a set, as in [^0-9]")
    return _checked(Parser(pattern.lower(), is_path=False).parse(), _LARGEST_OF_A_VALUE, _OF_A_VALUE)


@lru_cache(maxsize=1024)
def machine_of(pattern: str, *, is_path: bool) -> Machine:
    """What runs a checked expression."""
    return Machine(Parser(pattern if is_path else pattern.lower(), is_path=is_path).parse())


def _checked(node: Node, largest: int, edges: Mapping[str, str] | None = None) -> Regex:
    if (size := size_of(node)) > largest:
        what = f"is {size:,} characters long when all repetitions are written out"
        raise RegexError(what, f"stay below {largest:,}, as with + for {{1,1000}}")
    return Regex(text_of(node, edges or {}), literal_of(node), _to_end(node), is_greedy(node))


def _to_end(node: Node) -> bool:
    match node:
        case Row():
            return bool(node.nodes) and _to_end(node.nodes[-1])
        case Fold():
            return _to_end(node.node)
        case Repeat():
            return node in (Repeat(One("."), 0, None, "*"), Repeat(One("."), 1, None, "+"))
        case _:
            return node == Edge("$")
