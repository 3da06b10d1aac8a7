"""The types of the transforms' fields."""

from functools import partial
from typing import Annotated, Final

from pydantic import AfterValidator, JsonValue

from outrider.consumer import JSON
from outrider_plugins.transforms.json_values import compile_json
from outrider_plugins.transforms.pointers import steps_of

MOST: Final = 10_000_000
"""The largest body that a transform can be told to change, in bytes."""


def _checked_pointer(text: str) -> str:
    steps_of(text)
    return text


def _checked_renaming(pointers: dict[str, str]) -> dict[str, str]:
    for old, new in pointers.items():
        if new.startswith(f"{old}/"):
            raise ValueError(f"moves {old} into itself: give it another place")
    return pointers


def _checked_json(value: JSON, *, on_response: bool) -> JSON:
    compile_json(value, on_response=on_response)
    return value


Pointer = Annotated[str, AfterValidator(_checked_pointer)]
"""A JSON pointer (RFC 6901) to a part of the whole."""
RenamedPointers = Annotated[dict[Pointer, Pointer], AfterValidator(_checked_renaming)]
"""Pointers to members of objects, and where they go."""
RequestJson = Annotated[JsonValue, AfterValidator(partial(_checked_json, on_response=False))]
ResponseJson = Annotated[JsonValue, AfterValidator(partial(_checked_json, on_response=True))]
