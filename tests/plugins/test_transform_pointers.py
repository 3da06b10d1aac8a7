"""Operations at JSON pointers, beside a naive reference that builds everything anew."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outrider_plugins.strict_json import is_list, is_object
from outrider_plugins.transforms.pointers import add, append, remove, rename, replace, steps_of

NAMES = st.sampled_from(["a", "b", "0", "1", "2", "-", "01", ""])
LEAVES = st.sampled_from([None, True, 0, "text"])
DATA = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))
STEPS = st.lists(NAMES, min_size=1, max_size=4).map(tuple)
ABSENT: Any = ...


def look(data: Any, steps: tuple[str, ...]) -> Any:
    """What is there."""
    for step in steps:
        members = {str(name): value for name, value in pairs(data)} if is_list(data) or is_object(data) else {}
        if step not in members:
            return ABSENT
        data = members[step]
    return data


def written(data: Any, steps: tuple[str, ...], value: Any) -> Any:
    """The data with a value there, ABSENT where it does not fit."""
    if not steps:
        return value
    step, *rest = steps
    if is_object(data):
        inner = written(data.get(step, {} if rest else None), tuple(rest), value)
        return ABSENT if inner is ABSENT else {**data, step: inner}
    if is_list(data) and step == "-" and not rest:
        return [*data, value]
    if is_list(data) and step in map(str, range(len(data))):
        inner = written(data[int(step)], tuple(rest), value)
        return ABSENT if inner is ABSENT else [*data[: int(step)], inner, *data[int(step) + 1 :]]
    return ABSENT


def without(data: Any, steps: tuple[str, ...]) -> Any:
    """The data without what is there, which is there."""
    holder = look(data, steps[:-1])
    kept = [(name, one) for name, one in pairs(holder) if str(name) != steps[-1]]
    shorter = [one for _, one in kept] if is_list(holder) else dict(kept)
    return shorter if len(steps) == 1 else written(data, steps[:-1], shorter)


def pairs(holder: Any) -> list[tuple[Any, Any]]:
    return list(enumerate(holder) if is_list(holder) else holder.items())


def or_same(data: Any, changed: Any) -> Any:
    return data if changed is ABSENT else changed


def expected(operation: str, data: Any, at: tuple[str, ...], value: Any) -> Any:
    there = look(data, at)
    if operation == "remove":
        return data if there is ABSENT else without(data, at)
    if operation == "replace":
        return data if there is ABSENT else written(data, at, value)
    if operation == "add":
        return or_same(data, written(data, at, value)) if there is ABSENT else data
    if there is not ABSENT:
        return written(data, at, [*there, value] if is_list(there) else [there, value])
    return or_same(data, written(data, at, value if isinstance(look(data, at[:-1]), list) else [value]))


@pytest.mark.parametrize("operation", ["remove", "replace", "add", "append"])
@settings(deadline=None)
@given(data=DATA, at=STEPS)
def test_each_operation_does_what_the_reference_does(operation: str, data: Any, at: tuple[str, ...]) -> None:
    after = expected(operation, data, at, {"new": 1})
    changed = deepcopy(data)
    if operation == "remove":
        remove(changed, at)
    else:
        {"replace": replace, "add": add, "append": append}[operation](changed, at, {"new": 1})
    assert changed == after


@settings(deadline=None)
@given(data=DATA, old=STEPS, new=STEPS)
def test_a_rename_moves_a_member_or_leaves_it(data: Any, old: tuple[str, ...], new: tuple[str, ...]) -> None:
    if new[: len(old)] == old:
        new = ("elsewhere",)
    there, after = look(data, old), data
    if there is not ABSENT and isinstance(look(data, old[:-1]), dict):
        # What it replaces may be around it, so what is taken out first is put back into it.
        moved = written(data, new, there)
        is_around = old[: len(new)] == new
        after = data if moved is ABSENT else moved if is_around else written(without(data, old), new, there)
    changed = deepcopy(data)
    rename(changed, old, new)
    assert changed == after


@pytest.mark.parametrize(
    ("pointer", "steps"),
    [("/a", ("a",)), ("/a/0/-", ("a", "0", "-")), ("/", ("",)), ("/a~1b/~01", ("a/b", "~1")), ("/ü .{}", ("ü .{}",))],
)
def test_a_pointer_names_its_steps(pointer: str, steps: tuple[str, ...]) -> None:
    assert steps_of(pointer) == steps


@pytest.mark.parametrize("text", ["", "a", "a/b", "/~", "/a~2", "#/a", "$.a"])
def test_what_is_no_pointer_to_a_part_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no JSON pointer"):
        steps_of(text)
