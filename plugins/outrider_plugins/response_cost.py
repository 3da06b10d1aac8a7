"""What a request turned out to cost, as upstream tells it: in a header of its response, or in a JSON body."""

import json
import re
from collections.abc import Sequence
from math import ceil, inf
from typing import Annotated, Any, Final, NamedTuple, cast

from pydantic import AfterValidator

from outrider import Request, Response
from outrider.headers import header_name

LARGEST: Final = 4 << 20
"""A larger body is not read, in bytes: to parse it takes all of the worker's time."""

_DEAREST: Final = 10**12  # as much as a limit may be
_DIGITS: Final = 30
_NUMBER = re.compile(r"([0-9]+)(?:\.([0-9]+))?")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)+")  # RFC 6901, section 3
_JSON = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json(?:\s*;.*)?", re.IGNORECASE)
_OTHER_FORMS: Final = ("accept-encoding", "range", "if-range")


class UnknownCost(NamedTuple):
    """A response does not tell what it cost: how that shows, and nothing that upstream sent."""

    text: str


def _known(place: str) -> str:
    kind, _, name = place.partition(":")
    if kind == "header" and name:
        header_name(name)
    elif kind != "json" or not _POINTER.fullmatch(name):
        raise ValueError(f"{place!r} is no place of a number: use header:NAME, or json:/a/pointer into the body")
    return place


CostPlace = Annotated[str, AfterValidator(_known)]
"""`header:NAME`, or `json:` and a JSON pointer (RFC 6901)."""


class ResponseCost:
    """Reads the cost from the place that the configuration names."""

    def __init__(self, place: str) -> None:
        kind, _, name = place.partition(":")
        self.in_body = kind == "json"
        self._header = name
        self._steps = [step.replace("~1", "/").replace("~0", "~") for step in name.split("/")[1:]]

    def prepare(self, request: Request) -> None:
        """Has upstream answer in a form that can be read, whatever the caller asked for."""
        if self.in_body:
            for name in _OTHER_FORMS:
                request.headers.discard(name)

    def of_type(self, response: Response) -> UnknownCost | None:
        """What is wrong with a response whose body can't tell the cost."""
        kind = response.headers.get("content-type", "")
        return None if _JSON.fullmatch(kind) else UnknownCost("the response's body is no JSON")

    def of_headers(self, response: Response, *, hide: bool = False) -> int | UnknownCost:
        """The number in the header, which goes no further with `hide`; a part of a whole one counts as one."""
        text = response.headers.get(self._header)
        if hide:
            response.headers.discard(self._header)
        number = _NUMBER.fullmatch(text or "")
        if number is None:
            return UnknownCost(f"the response's header {self._header} is {'no number' if text else 'missing'}")
        # Python refuses to read a number of thousands of digits.
        whole = min(int(number[1]), _DEAREST) if len(number[1]) <= _DIGITS else _DEAREST
        return whole + bool((number[2] or "").strip("0"))

    def of_body(self, body: bytes) -> int | UnknownCost:
        """The number that the pointer leads to; a part of a whole one counts as one."""
        if len(body) > LARGEST:
            return UnknownCost(f"the response's body is larger than {LARGEST >> 20} MiB")
        try:
            found = _found(json.loads(body), self._steps)
        except (ValueError, RecursionError):
            return UnknownCost("the response's body is no JSON, or compressed")
        if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < inf:
            return UnknownCost(f"/{'/'.join(self._steps)} in the response's body is no number")
        return ceil(min(found, _DEAREST))


def _found(data: Any, steps: Sequence[str]) -> Any:
    """What a JSON pointer leads to; None if it leads nowhere (RFC 6901, section 4)."""
    for step in steps:
        if isinstance(data, dict):
            data = cast("dict[str, Any]", data).get(step)
        elif isinstance(data, list) and _INDEX.fullmatch(step):
            row = cast("Sequence[Any]", data)
            data = row[int(step)] if int(step) < len(row) else None
        else:
            return None
    return data
