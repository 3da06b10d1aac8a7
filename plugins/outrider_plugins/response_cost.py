"""What a request turned out to cost, as upstream tells it: in a header of its response, or in a JSON body."""

import json
import re
from collections.abc import Sequence
from math import ceil, isfinite
from typing import Annotated, Any, Final, cast

from pydantic import AfterValidator

from outrider import Response
from outrider.headers import header_name

_DEAREST: Final = 10**12  # as much as a limit may be
_NUMBER = re.compile(r"[0-9]{1,15}")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)+")  # RFC 6901, section 3
_JSON = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json(?:\s*;.*)?", re.IGNORECASE)


class CostError(Exception):
    """A response does not tell what it cost; the text says how, and nothing that upstream sent."""


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

    def is_in(self, response: Response) -> bool:
        """Whether the body of that response is worth reading."""
        return self.in_body and _JSON.fullmatch(response.headers.get("content-type", "")) is not None

    def of_headers(self, response: Response) -> int:
        """The number in the header. Raises `CostError`."""
        text = response.headers.get(self._header)
        if text is None or not _NUMBER.fullmatch(text):
            raise CostError(f"the response's header {self._header} is {'no number' if text else 'missing'}")
        return min(int(text), _DEAREST)

    def of_body(self, body: bytes) -> int:
        """The number that the pointer leads to; a part of a whole one counts as one. Raises `CostError`."""
        try:
            found = _found(json.loads(body), self._steps)
        except (ValueError, RecursionError):
            raise CostError("the response's body is no JSON") from None
        if isinstance(found, bool) or not isinstance(found, int | float) or not isfinite(found) or found < 0:
            raise CostError(f"/{'/'.join(self._steps)} in the response's body is no number")
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
