"""What the transforms do to JSON data, at JSON pointers (RFC 6901).

A parent that an object lacks is made, as an object, for what comes to stand there; nothing happens where a parent is
neither object nor list, and where a list has no such item. On a list `-` is the place behind its last item.
"""

import re
from typing import Final

from outrider.consumer import JSON
from outrider_plugins.strict_json import is_list, is_object

Steps = tuple[str, ...]
"""A pointer's names, which lead from the whole to a part."""

_ABSENT: Final = object()
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)+")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


def steps_of(pointer: str) -> Steps:
    """The names in a pointer. Raises `ValueError` for text that is none, and for the empty one, the whole."""
    if not _POINTER.fullmatch(pointer):
        raise ValueError(
            "is no JSON pointer to a part: begin each name with /, and write ~0 for ~ and ~1 for / in it"
        )
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/"))


def remove(whole: JSON, at: Steps) -> None:
    """Takes out what is there; the items behind one of a list move up."""
    holder = _found(whole, at[:-1])
    if is_object(holder):
        holder.pop(at[-1], None)
    elif is_list(holder) and (index := _index(holder, at[-1])) is not None:
        del holder[index]


def rename(whole: JSON, old: Steps, new: Steps) -> None:
    """Moves an object's member to another place, where it replaces what is there; it stays where there is none."""
    holder = _found(whole, old[:-1])
    if old == new or not is_object(holder) or old[-1] not in holder:
        return
    if _put(whole, new, holder[old[-1]]):
        # Where it took the place of something around it, that one has left the whole.
        del holder[old[-1]]


def replace(whole: JSON, at: Steps, value: JSON) -> None:
    """Puts a value in the place of what is there."""
    if _found(whole, at) is not _ABSENT:
        _put(whole, at, value)


def add(whole: JSON, at: Steps, value: JSON) -> None:
    """Puts a value where nothing is."""
    if _found(whole, at) is _ABSENT:
        _put(whole, at, value)


def append(whole: JSON, at: Steps, value: JSON) -> None:
    """Adds an item to the list that is there; anything else becomes a list, with the value as its last item."""
    there = _found(whole, at)
    if is_list(there):
        there.append(value)
    elif there is not _ABSENT:
        _put(whole, at, [there, value])
    else:
        _put(whole, at, value if is_list(_found(whole, at[:-1])) else [value])


def _found(here: JSON, at: Steps) -> JSON:
    for step in at:
        here = _child(here, step)
    return here


def _child(here: JSON, step: str) -> JSON:
    if is_object(here):
        return here.get(step, _ABSENT)
    if is_list(here) and (index := _index(here, step)) is not None:
        return here[index]
    return _ABSENT


def _index(items: list[JSON], step: str) -> int | None:
    """The index of an item that the list has."""
    return int(step) if _INDEX.fullmatch(step) and int(step) < len(items) else None


def _put(here: JSON, at: Steps, value: JSON) -> bool:
    """Puts a value where it fits, with the objects that lead there; False where it does not."""
    for depth, step in enumerate(at[:-1], 1):
        inner = _child(here, step)
        if inner is _ABSENT:
            if not is_object(here):
                return False
            here[step] = _within(at[depth:], value)
            return True
        here = inner
    return _set(here, at[-1], value)


def _set(holder: JSON, step: str, value: JSON) -> bool:
    if is_object(holder):
        holder[step] = value
    elif is_list(holder) and step == "-":
        holder.append(value)
    elif is_list(holder) and (index := _index(holder, step)) is not None:
        holder[index] = value
    else:
        return False
    return True


def _within(at: Steps, value: JSON) -> JSON:
    for step in reversed(at):
        value = {step: value}
    return value
