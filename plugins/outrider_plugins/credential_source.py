"""The places of a request that a credential is looked for in: a header, a query parameter, a cookie."""

import re
from itertools import islice
from typing import Annotated
from urllib.parse import unquote_plus

from pydantic import Field

from outrider import Request

ParameterName = Annotated[str, Field(min_length=1, max_length=256)]
"""What a query parameter or a cookie is called, once it is decoded."""

_ENOUGH = 2
"""So many values say as much as thousands: that there is more than one."""
_NEVER = "(?!)"
_RAW = {"=": _NEVER, "&": _NEVER, "+": _NEVER, "%": "%(?![0-9A-Fa-f]{2})", " ": r"[ +]"}
"""Characters that mean something else in a query where they are not encoded."""


class CredentialSource:
    """Every place that has a name is looked at; one that is None is not.

    Names are found by one search over the text: to take thousands of parameters or cookies apart is dear.
    """

    def __init__(self, header: str | None, query: str | None, cookie: str | None) -> None:
        self._header = header
        # Many servers read _ and - as one.
        self._names = frozenset({(header or "").replace("_", "-")})
        self._parameter = re.compile(rf"(?:^|&){_spellings(query)}(?:=([^&]*))?(?=&|$)") if query else None
        self._cookie = re.compile(rf"(?:^|;)\s*{re.escape(cookie)}\s*(?:=([^;]*))?(?=;|$)") if cookie else None

    def find(self, request: Request) -> list[str]:
        """The values, wherever they stand: more than one is for the caller to refuse."""
        found: list[str] = []
        if self._header:
            # Envoy joins repeated headers with a comma, so one that holds a comma may be two.
            for value in request.headers.get_all(self._header):
                found += value.split(",", _ENOUGH)
            if "_" in "".join(request.headers):
                others = (name for name in request.headers if name.replace("_", "-") in self._names)
                found += (value for name in others if name != self._header for value in request.headers.get_all(name))
        if self._parameter and request.query:
            matches = islice(self._parameter.finditer(request.query), _ENOUGH)
            found += (unquote_plus(match[1] or "", errors="surrogateescape") for match in matches)
        if self._cookie and "cookie" in request.headers:
            matches = islice(self._cookie.finditer(_cookies(request)), _ENOUGH)
            found += (_unquoted(match[1] or "") for match in matches)
        return found

    def remove(self, request: Request) -> None:
        """Takes all of them off the request, and leaves the rest of the query and the cookies as it was."""
        if self._header:
            request.headers.strip(self._names)
        if self._parameter and self._parameter.search(request.query):
            request.query = _without(self._parameter, request.query, "&")
        if self._cookie and self._cookie.search(cookies := _cookies(request)):
            _set_cookies(request, _without(self._cookie, cookies, ";"))


def _spellings(name: str) -> str:
    """A pattern for all that upstream decodes to a name (WHATWG URL, section 5.1)."""
    return "".join(map(_spelling, name))


def _spelling(character: str) -> str:
    encoded = "".join(f"%{byte:02x}" for byte in character.encode())
    return f"(?:(?i:{encoded})|{_RAW.get(character, re.escape(character))})"


def _without(pattern: re.Pattern[str], text: str, separator: str) -> str:
    left = pattern.sub("", text)
    # What was first took the separator behind it along.
    return left.removeprefix(separator) if pattern.match(text) and not text.startswith(separator) else left


def _cookies(request: Request) -> str:
    return "; ".join(request.headers.get_all("cookie"))


def _unquoted(value: str) -> str:
    """A cookie's value, which may stand in quotes (RFC 6265, section 4.1.1)."""
    return value.strip().removeprefix('"').removesuffix('"')


def _set_cookies(request: Request, cookies: str) -> None:
    if line := cookies.strip(" ;"):
        request.headers["cookie"] = line
    else:
        request.headers.discard("cookie")
