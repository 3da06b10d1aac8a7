"""Schemas that consist of themselves: what they ask for is not defined, and the library lets everything pass."""

from collections.abc import Iterator, Mapping
from typing import Any

from outrider_plugins.strict_json import is_object

_LISTS = ("allOf", "anyOf", "oneOf")
_SINGLE = ("not", "if", "then", "else")


def endless(root: Mapping[str, Any]) -> list[str]:
    """The names in `$defs` that lead back to themselves without going into a part of the value."""
    leads = {name: set(_references(node)) for name, node in root["$defs"].items()}
    # What leads nowhere is no part of a circle, and neither is what only leads there.
    while ends := {name for name, targets in leads.items() if not targets}:
        leads = {name: targets - ends for name, targets in leads.items() if name not in ends}
    return sorted(name for name in leads if _comes_back(name, leads))


def _comes_back(name: str, leads: Mapping[str, set[str]]) -> bool:
    seen: set[str] = set()
    waiting = list(leads[name])
    while waiting:
        if (one := waiting.pop()) not in seen:
            seen.add(one)
            waiting += leads[one]
    return name in seen


def _references(node: Any) -> Iterator[str]:
    if not is_object(node):
        return
    schema: Mapping[str, Any] = node
    if "$ref" in schema:
        yield schema["$ref"].rpartition("/")[2]
    inner = [schema[keyword] for keyword in _SINGLE if keyword in schema]
    inner += [one for keyword in _LISTS for one in schema.get(keyword, ())]
    for one in [*inner, *schema.get("dependentSchemas", {}).values()]:
        yield from _references(one)
