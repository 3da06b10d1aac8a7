"""Pydantic's errors in words for the people who write the file."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from outrider.config.mistake import Mistake, closest, kind_of, shown
from outrider.config.secrets import Secrets
from outrider.config.shape import Shape
from outrider.config.where import Place, at, inside

Words = tuple[str, str]

_NOTHING: Mapping[str, str] = MappingProxyType({})
_SECRET_NAME = re.compile(r"secret|passw|token|key|credential", re.IGNORECASE)
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_KINDS: Mapping[str, Words] = {
    "string": ("is not text", "write text, in quotes"),
    "int": ("is no whole number", "write a whole number"),
    "float": ("is no number", "write a number"),
    "bool": ("is neither true nor false", "write true or false"),
    "list": ("is no list", "write a list, as in [a, b]"),
    "tuple": ("is no list", "write a list, as in [a, b]"),
    "set": ("is no list", "write a list, as in [a, b]"),
    "dict": ("is no mapping", "write name: value pairs"),
    "model": ("is no mapping", "write its fields under it"),
    "dataclass": ("is no mapping", "write its fields under it"),
    "path": ("is no path", "write a path, in quotes"),
}
_BOUNDS: Mapping[str, tuple[str, str, str]] = {
    "greater_than_equal": ("is too small", "write {} or more", "ge"),
    "greater_than": ("is too small", "write more than {}", "gt"),
    "less_than_equal": ("is too large", "write {} or less", "le"),
    "less_than": ("is too large", "write less than {}", "lt"),
    "string_too_short": ("is too short", "give it at least {} characters", "min_length"),
    "string_too_long": ("is too long", "give it at most {} characters", "max_length"),
    "too_short": ("has too few items", "give it at least {}", "min_length"),
    "too_long": ("has too many items", "give it at most {}", "max_length"),
    "literal_error": ("is no choice here", "choose {}", "expected"),
    "enum": ("is no choice here", "choose {}", "expected"),
    "string_pattern_mismatch": ("has the wrong form", "make it match {}", "pattern"),
}


def explain(
    error: ValidationError,
    place: Place,
    shape: Shape,
    secrets: Secrets,
    others: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Mistake]:
    """One mistake for each place that pydantic complains of; several complaints about one place are joined.

    `others` are remedies for fields that somebody else's plugin of that name has.
    """
    found: dict[Place, list[Words]] = {}
    for detail in error.errors(include_url=False, include_input=False):
        inner = _locate(at(secrets.data, place), detail)
        given = _given(place, inner, shape, secrets)
        said = _elsewhere(detail, inner, others) or _special(detail, inner, shape) or _plain(detail, given)
        found.setdefault(inner, []).append(said)
    for inner, words in found.items():
        if (*place, *inner) not in secrets.missing:
            what, remedy = _joined(words, _given(place, inner, shape, secrets))
            yield secrets.document.mistake((*place, *inner), what, remedy)


def _locate(data: Any, detail: ErrorDetails) -> Place:
    place: Place = ()
    for step in detail["loc"]:
        inner = inside(data, step)
        absent = detail["type"] == "missing" and step == detail["loc"][-1]
        if inner is not None or absent or _has(data, step):
            place, data = (*place, step), inner  # other steps are names of union branches
    return place


def _has(data: Any, step: str | int) -> bool:
    if isinstance(data, list):
        return isinstance(step, int) and step < len(cast("Sequence[object]", data))
    return isinstance(data, dict) and step in data


def _given(place: Place, inner: Place, shape: Shape, secrets: Secrets) -> str:
    """The value as the file has it, so with its reference in place of a secret."""
    named = any(isinstance(step, str) and _SECRET_NAME.search(step) for step in inner)
    if named or shape.is_secret(inner):
        return "the value"
    value = at(secrets.document.data, (*place, *inner))
    # where a whole configuration should be, anything may stand
    return kind_of(value) if inner in ((), ("config",)) else shown(value)


def _elsewhere(detail: ErrorDetails, place: Place, others: Mapping[str, str]) -> Words | None:
    if detail["type"] in _UNKNOWN and len(place) == 1 and (remedy := others.get(str(place[0]))):
        return "is a field of Kong's own plugin", remedy
    return None


def _special(detail: ErrorDetails, place: Place, shape: Shape) -> Words | None:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "missing":
        description = shape.description(place).partition(". ")[0].rstrip(".")
        return "is missing", f"add it ({description})" if description else "add it"
    if kind in _UNKNOWN:
        return "is no field here", closest(str(place[-1]), shape.fields(place[:-1]), "the fields are")
    if kind == "outrider":
        return context["what"], context["remedy"]
    if kind in ("value_error", "assertion_error"):
        what, _, remedy = str(context.get("error", "")).partition(": ")
        return what or "is not accepted", remedy or "change it"
    return None


def _plain(detail: ErrorDetails, given: str) -> Words:
    kind = detail["type"]
    if kind in ("string_too_short", "too_short") and detail.get("ctx", {}).get("min_length") == 1:
        return "is empty", "put something into it, or remove it"
    if kind in ("literal_error", "enum") and (meant := _meant(given, detail.get("ctx", {})["expected"])):
        return f"{given} is no choice here", f"did you mean {shown(meant)}?"
    if kind in _BOUNDS:
        what, remedy, bound = _BOUNDS[kind]
        return f"{given} {what}", remedy.format(_whole(detail.get("ctx", {})[bound]))
    if kind == "sequence_str":
        return f"{given} is text", f"write a list, as in [{given}]"
    if detail.get("ctx", {}).get("class") == "Sequence":
        kind = "list"
    what, remedy = _KINDS.get(kind.partition("_")[0], ("does not fit", f"mend it ({detail['msg']})"))
    return f"{given} {what}", remedy


def _whole(bound: object) -> object:
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def _meant(given: str, expected: str) -> str | None:
    """The choice that is spelt almost like what was given."""
    # Of numbers, one that looks alike is another one.
    choices = {choice.lower(): choice for choice in re.findall(r"'([^']*[A-Za-z][^']*)'", expected)}
    return next((choices[near] for near in difflib.get_close_matches(given.strip('"').lower(), choices, 1)), None)


def _joined(words: list[Words], given: str) -> Words:
    if len(set(words)) == 1:
        return words[0]
    return f"{given} does not fit", ", or ".join(dict.fromkeys(remedy for _, remedy in words))
