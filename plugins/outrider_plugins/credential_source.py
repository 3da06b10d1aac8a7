"""The places of a request that a credential is looked for in: a header, a query parameter, a cookie."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import unquote_plus

from pydantic import Field

from outrider import Request

ParameterName = Annotated[str, Field(min_length=1, max_length=256)]
"""What a query parameter or a cookie is called, once it is decoded."""


@dataclass(frozen=True, slots=True)
class CredentialSource:
    """Every place that has a name is looked at; one that is None is not."""

    header: str | None
    query: str | None
    cookie: str | None

    def find(self, request: Request) -> list[str]:
        """Every value, wherever it stands: more than one is for the caller to refuse."""
        found: list[str] = []
        if self.header:
            # Envoy joins repeated headers with a comma, so one that holds a comma may be two.
            for value in request.headers.get_all(self.header):
                found += value.split(",")
        if self.query and request.query:
            found += (_decoded(value) for name, value in _parameters(request) if _decoded(name) == self.query)
        if self.cookie and self.cookie in request.headers.get("cookie", ""):
            found += (value for name, value in map(_cookie, _cookies(request)) if name == self.cookie)
        return found

    def remove(self, request: Request) -> None:
        """Takes all of them off the request, and leaves the rest of the query and the cookies as it was."""
        if self.header:
            request.headers.discard(self.header)
        if self.query and any(_decoded(name) == self.query for name, _ in _parameters(request)):
            parts = (part for part in request.query.split("&") if _decoded(part.partition("=")[0]) != self.query)
            request.query = "&".join(parts)
        if self.cookie and any(_cookie(pair)[0] == self.cookie for pair in _cookies(request)):
            _set_cookies(request, [pair for pair in _cookies(request) if _cookie(pair)[0] != self.cookie])


def _parameters(request: Request) -> Iterator[tuple[str, str]]:
    """Names and values as they were sent."""
    for part in request.query.split("&"):
        if part:
            name, _, value = part.partition("=")
            yield name, value


def _decoded(text: str) -> str:
    """A name or a value as upstream will read it."""
    # To decode is dear, and a query can have thousands of parameters.
    return unquote_plus(text, errors="surrogateescape") if "%" in text or "+" in text else text


def _cookies(request: Request) -> list[str]:
    return [pair for line in request.headers.get_all("cookie") for pair in line.split(";")]


def _cookie(pair: str) -> tuple[str, str]:
    """Name and value of a cookie; the value may stand in quotes (RFC 6265, section 4.1.1)."""
    name, _, value = pair.partition("=")
    return name.strip(), value.strip().removeprefix('"').removesuffix('"')


def _set_cookies(request: Request, pairs: list[str]) -> None:
    if line := "; ".join(pair.strip() for pair in pairs):
        request.headers["cookie"] = line
    else:
        request.headers.discard("cookie")
