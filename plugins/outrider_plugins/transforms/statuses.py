"""Which responses a transform is for, by their statuses."""

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, Field

_RANGE = re.compile(r"([2-5][0-9]{2})-([2-5][0-9]{2})")


def _checked(text: str) -> str:
    found = _RANGE.fullmatch(text)
    if found is None or found[1] > found[2]:
        raise ValueError("is no range of statuses: write it as 500-599")
    return text


StatusRange = Annotated[int, Field(ge=200, le=599)] | Annotated[str, AfterValidator(_checked)]
"""A status, or a range with both of its ends."""


def statuses_in(ranges: Iterable[StatusRange]) -> frozenset[int]:
    """All statuses in the ranges."""
    found: set[int] = set()
    for one in ranges:
        first, last = (one, one) if isinstance(one, int) else map(int, one.split("-"))
        found.update(range(first, last + 1))
    return frozenset(found)
