"""What the headers of a message say of its body, as far as the transforms go by it."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from outrider.request import is_grpc_type

Kind = Literal["json", "form", "either"]

UNKNOWN: Final = "?"
"""A charset that readers do not agree on."""
FORM: Final = "application/x-www-form-urlencoded"
_JSON = ("application/json", "text/json")
_SHORT = 256  # characters
_TYPE = re.compile(r"[^\s,;/]+/[^\s,;/]+")


class Media(NamedTuple):
    """What a body is, in which charset and in which content coding, both in lower case."""

    kind: Kind
    charset: str
    coding: str


def media_of(headers: Mapping[str, str]) -> Media | None:
    """What the body is, None for what is neither JSON nor a form.

    Where some readers see JSON or a form in the content-type and others do not, the charset is `UNKNOWN`.
    """
    sent, coding = headers.get("content-type", ""), headers.get("content-encoding", "")
    # Long ones are not remembered: strangers write them.
    return _remembered(sent, coding) if len(sent) + len(coding) <= _SHORT else _read(sent, coding)


def _read(sent: str, coding: str) -> Media | None:
    sent, coding = sent.lower(), coding.strip().lower()
    if "json" not in sent and FORM not in sent:
        return None
    media_type, *parameters = (part.strip() for part in sent.split(";"))
    if not _TYPE.fullmatch(media_type):
        return Media("either", UNKNOWN, coding)
    kind = _kind(media_type)
    return Media(kind, _charset(parameters), coding) if kind else None


_remembered = lru_cache(maxsize=256)(_read)


def _kind(media_type: str) -> Kind | None:
    if media_type == FORM:
        return "form"
    is_json = media_type in _JSON or (media_type.endswith("+json") and not is_grpc_type(media_type))
    return "json" if is_json else None


def _charset(parameters: list[str]) -> str:
    pairs = (parameter.partition("=") for parameter in parameters)
    found = [value.strip(' "') for name, _, value in pairs if name.strip() == "charset"]
    return "utf-8" if not found else found[0] if len(found) == 1 else UNKNOWN
