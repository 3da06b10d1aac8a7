"""Configured JSON values with references inside, compiled once."""

import math
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import NamedTuple

from outrider.consumer import JSON
from outrider.needs import Fact
from outrider_plugins.references import Reference, Seen
from outrider_plugins.strict_json import is_list, is_object
from outrider_plugins.templates import compile_template, facts_of, pieces_of, whole_characters

_Build = Callable[[Seen], JSON]
_NONE: frozenset[Fact] = frozenset()


class JsonValue(NamedTuple):
    """A compiled value: the facts of the request that it needs, and what makes it anew for each message."""

    facts: frozenset[Fact]
    build: _Build


def compile_json(value: JSON, *, on_response: bool = False) -> JsonValue:
    """`value` with the references in all of its texts resolved for each message.

    A text that is a single reference becomes what it stands for, of whatever type, and null where that is absent; any
    other text stays a text. Names of members are no templates. Raises `ValueError` as `compile_template` does, and
    for a number that JSON has not.
    """
    if isinstance(value, str):
        return _text(value, on_response=on_response)
    if is_object(value):
        compiled = {name: compile_json(one, on_response=on_response) for name, one in value.items()}
        return JsonValue(_NONE.union(*(one.facts for one in compiled.values())), partial(_object, compiled))
    if is_list(value):
        items = [compile_json(one, on_response=on_response) for one in value]
        return JsonValue(_NONE.union(*(one.facts for one in items)), partial(_list, items))
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("has a number that JSON has not: write a finite one")
    return _constant(value)


def _text(text: str, *, on_response: bool) -> JsonValue:
    pieces = pieces_of(text, on_response=on_response)
    if len(pieces) == 1 and isinstance(pieces[0], Reference):
        return JsonValue(facts_of(pieces), partial(_exactly, pieces[0].read))
    template = compile_template(text, "json", on_response=on_response)
    return _constant(template) if isinstance(template, str) else JsonValue(template.facts, template)


def _constant(value: JSON) -> JsonValue:
    return JsonValue(_NONE, partial(_same, value))


def _same(value: JSON, _: Seen) -> JSON:
    return value


def _exactly(read: _Build, seen: Seen) -> JSON:
    value = read(seen)
    if isinstance(value, str):
        return whole_characters(value)
    # Later operations may change what they find in the body, and the claims must stay as they are.
    return deepcopy(value) if is_object(value) or is_list(value) else value


def _object(members: dict[str, JsonValue], seen: Seen) -> JSON:
    return {name: one.build(seen) for name, one in members.items()}


def _list(items: list[JsonValue], seen: Seen) -> JSON:
    return [one.build(seen) for one in items]
