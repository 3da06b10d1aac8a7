"""The plugin cors: which pages of other origins may read responses (Fetch standard, section 3.3)."""

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from outrider import HeaderName, Headers, Needs, Plugin, Request, Response, Runtime
from outrider.needs import Hook

ALLOW_ORIGIN = "access-control-allow-origin"
ALLOW_CREDENTIALS = "access-control-allow-credentials"
EXPOSE_HEADERS = "access-control-expose-headers"
_REQUEST_HEADERS = "access-control-request-headers"

_ORIGIN = re.compile(
    r"([a-z][a-z0-9+.-]*)://"
    r"([a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\])"
    r"(?::([0-9]{1,5}))?"
)
_FOR_ALL: frozenset[Hook] = frozenset({"on_request"})  # one answer for all needs no vary
_PORTS = {"http": "80", "https": "443"}
_LIST = re.compile(r"[ \t]*,[ \t]*")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2


def canonical(origin: str) -> str | None:
    """An origin with its scheme and host in lower case and no default port; None if it is none (RFC 6454)."""
    if len(origin) > 512 or not origin.isascii():  # some letters have an ASCII one as their lower case
        return None
    parts = _ORIGIN.fullmatch(origin.lower())
    if parts is None:
        return None
    scheme, host, port = parts.groups()
    return f"{scheme}://{host}" if port in (None, _PORTS.get(scheme)) else f"{scheme}://{host}:{port}"


def _origin(text: str) -> str:
    if text in ("*", "null"):
        return text
    wildcard = "://*." in text
    found = canonical(text.replace("://*.", "://", 1))
    if found is None or (wildcard and "[" in found):
        raise ValueError(f"{text!r} is no origin: write scheme, host and port alone, as in https://app.example:8443")
    return found.replace("://", "://*.", 1) if wildcard else found


def _method(text: str) -> str:
    if not re.fullmatch(r"[A-Z]+(-[A-Z]+)*", text):
        raise ValueError(f"{text!r} is no method: write it in capitals, as in GET")
    return text


Origin = Annotated[str, AfterValidator(_origin)]
Method = Annotated[str, AfterValidator(_method)]


class Cors(Plugin):
    """Tells browsers which origins may call and read responses, and answers their preflights itself.

    A preflight is an OPTIONS request with `origin` and `access-control-request-method`; it is answered before any
    other plugin asks for a credential. It refuses no other request: where an origin is not allowed, the browser keeps
    the response from the page. With listed origins, what upstream says about CORS does not reach downstream.
    """

    priority: ClassVar[int] = 2000

    origins: Annotated[Sequence[Origin], Field(min_length=1)]
    """The origins, as in https://app.example; https://*.app.example for all hosts below; `*` alone for everybody."""
    methods: Sequence[Method] = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE")
    """The methods that a preflight allows."""
    headers: Sequence[HeaderName] = ("*",)
    """The request headers that a preflight allows; `*` allows those that it asks for."""
    exposed_headers: Sequence[HeaderName] = ()
    """The response headers that pages may read; `*` for all."""
    credentials: bool = False
    """Whether browsers may send cookies and the like."""
    max_age: int | None = Field(default=None, ge=0, le=86_400)
    """How long browsers may keep the answer to a preflight, in seconds; null leaves it to them."""

    @model_validator(mode="after")
    def _keeps_credentials_in(self) -> Self:
        if "*" in self.origins and len(self.origins) > 1:
            raise ValueError("origins has * beside others: keep * alone, or list the origins")
        if self.credentials and not {"*", "null"}.isdisjoint(self.origins):
            raise ValueError("origins has every page, with credentials: list the origins, or turn credentials off")
        if self.credentials and "*" in self.exposed_headers:
            raise ValueError("exposed_headers has *, which means nothing with credentials: list the headers")
        return self

    def needs(self) -> Needs:
        names = [ALLOW_ORIGIN]
        if self.credentials:
            names.append(ALLOW_CREDENTIALS)
        if self.exposed_headers:
            names.append(EXPOSE_HEADERS)
        hooks = _FOR_ALL if self._for_all else None
        return Needs(facts=frozenset({"headers", "method"}), hooks=hooks, reply_headers=tuple(names))

    async def start(self, _: Runtime, /) -> None:
        self._listed = frozenset(self.origins)
        self._wildcards = any("://*." in origin for origin in self.origins)

    def on_request(self, request: Request, /) -> Response | None:
        origin = "*" if self._for_all else request.headers.get("origin", "")
        allowed = self._for_all or self._allows(origin)
        if is_preflight(request):
            return self._answer(request, origin if allowed else None)
        if allowed:
            request.reply_headers[ALLOW_ORIGIN] = origin
            if self.credentials:
                request.reply_headers[ALLOW_CREDENTIALS] = "true"
            if self.exposed_headers:
                request.reply_headers[EXPOSE_HEADERS] = ", ".join(self.exposed_headers)
        return None

    def on_response(self, _: Request, response: Response, /) -> None:
        for name in [name for name in response.headers if name.startswith("access-control-")]:
            response.headers.discard(name)
        vary(response.headers, "origin")

    @property
    def _for_all(self) -> bool:
        return self.origins[0] == "*"

    def _allows(self, origin: str) -> bool:
        if origin == "null":
            return "null" in self._listed
        known = canonical(origin)
        if known is None:
            return False
        return known in self._listed or (self._wildcards and not self._listed.isdisjoint(_wildcards(known)))

    def _answer(self, request: Request, origin: str | None) -> Response:
        """The answer to a preflight; without CORS headers where the origin is not allowed."""
        reply = Response(204)
        if not self._for_all:
            vary(reply.headers, "origin")
        if "*" in self.headers:
            vary(reply.headers, _REQUEST_HEADERS)
        if origin is not None:
            self._allow(reply.headers, origin, request.headers.get(_REQUEST_HEADERS, ""))
        return reply

    def _allow(self, headers: Headers, origin: str, asked: str) -> None:
        # Browsers don't take * for authorization, and with credentials for nothing.
        names = _tokens(asked) if "*" in self.headers else self.headers
        headers[ALLOW_ORIGIN] = origin
        if self.credentials:
            headers[ALLOW_CREDENTIALS] = "true"
        if self.methods:
            headers["access-control-allow-methods"] = ", ".join(self.methods)
        if names:
            headers["access-control-allow-headers"] = ", ".join(names)
        if self.max_age is not None:
            headers["access-control-max-age"] = str(self.max_age)


def is_preflight(request: Request) -> bool:
    """Whether a browser asks for leave (Fetch standard, section 3.3.2): any other OPTIONS request is upstream's."""
    headers = request.headers
    return request.method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def vary(headers: Headers, name: str) -> None:
    """Adds a name to `vary`, beside what is there (RFC 9110, section 12.5.5)."""
    present = headers.get("vary", "")
    if {"*", name}.isdisjoint(_LIST.split(present.strip(" \t").lower())):
        headers["vary"] = f"{present}, {name}" if present else name


def _tokens(text: str) -> list[str]:
    """The names in a list that a stranger sent; what is no name is left out."""
    return [name for name in _LIST.split(text.strip(" \t").lower()) if _TOKEN.fullmatch(name)]


def _wildcards(origin: str) -> Iterable[str]:
    """Every pattern that would allow a canonical origin: `https://*.b.example` for `https://a.b.example`."""
    scheme, _, rest = origin.partition("://")
    while "." in rest:
        rest = rest.partition(".")[2]
        yield f"{scheme}://*.{rest}"
