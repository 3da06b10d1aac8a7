"""The plugin key-auth: consumers prove who they are with a secret key."""

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import ClassVar, Self
from urllib.parse import unquote_plus

from pydantic import model_validator

from outrider import Auth, Consumers, Credential, HeaderName, Identity, Refusal, Request, Runtime

_HASHED = re.compile(r"sha256:([0-9A-Fa-f]{64})")
_HASHES = ("sha256:", "$argon2", "$2b$")


class KeyAuth(Auth):
    """Lets requests in that carry the key of a consumer, in a header, a query parameter or a cookie.

    The keys are the consumers' `keyauth_credentials`, in clear or as `sha256:` and the 64 hexadecimal digits of the
    key's SHA-256. A request with more than one key is refused, even if all of them are good.
    """

    priority: ClassVar[int] = 1250

    header: HeaderName | None = "x-api-key"
    """The header that carries the key; null for none. A key with a comma can't be sent in it."""
    query: str | None = None
    """The query parameter that carries the key."""
    cookie: str | None = None
    """The cookie that carries the key."""

    @model_validator(mode="after")
    def _has_a_place(self) -> Self:
        if not (self.header or self.query or self.cookie):
            raise ValueError("looks for the key nowhere: give header, query or cookie")
        return self

    def check(self, consumers: Consumers, /) -> None:
        _credentials(consumers)

    async def start(self, runtime: Runtime, /) -> None:
        await super().start(runtime)
        self._credentials = _credentials(runtime.consumers)

    def authenticate(self, request: Request, /) -> Identity | Refusal | None:
        keys = list(self._keys(request))
        if not keys:
            return None
        credential = self._credentials.get(_digest(keys[0])) if len(keys) == 1 else None
        # An identity keeps its headers: one for each key, made once, would take more room than the keys.
        return Identity(credential.id, credential.consumer) if credential else self.refuse()

    def challenge(self) -> str:
        return "Key"

    def hide_credential(self, request: Request, /) -> None:
        if self.header:
            request.headers.discard(self.header)
        if self.query and self._in_query(request):
            parts = (part for part in request.query.split("&") if _parameter(part)[0] != self.query)
            request.query = "&".join(parts)
        if self.cookie and self._in_cookies(request):
            _set_cookies(request, [pair for pair in _cookies(request) if _cookie(pair)[0] != self.cookie])

    def _keys(self, request: Request) -> Iterator[str]:
        """Every key in the request, wherever it stands."""
        if self.header:
            # Envoy joins repeated headers with a comma, so one that holds a comma may be two.
            for value in request.headers.get_all(self.header):
                yield from value.split(",")
        yield from self._in_query(request)
        yield from self._in_cookies(request)

    def _in_query(self, request: Request) -> list[str]:
        if not self.query or not request.query:
            return []
        parameters = (_parameter(part) for part in request.query.split("&"))
        return [value for name, value in parameters if name == self.query]

    def _in_cookies(self, request: Request) -> list[str]:
        if not self.cookie:
            return []
        return [value for name, value in map(_cookie, _cookies(request)) if name == self.cookie]


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogateescape")).digest()


def _credentials(consumers: Consumers) -> dict[bytes, Credential]:
    """Whose each key is. Found by digest: how long a look-up takes says nothing about how much of a key was right."""
    found: dict[bytes, Credential] = {}
    for credential in consumers.credentials("keyauth_credentials"):
        digest = _stored_digest(credential)
        if digest in found:
            raise ValueError("two keyauth_credentials have the same key: give each consumer one of its own")
        found[digest] = credential
    return found


def _stored_digest(credential: Credential) -> bytes:
    key = str(credential.fields["key"])
    if hashed := _HASHED.fullmatch(key):
        return bytes.fromhex(hashed[1])
    if key.startswith(_HASHES):
        owner = credential.consumer.username or credential.consumer.id
        raise ValueError(
            f"a keyauth_credentials key of {owner} is hashed in a way that can't be looked up: "
            "write sha256: and the 64 hexadecimal digits of the key's SHA-256"
        )
    return _digest(key)


def _parameter(part: str) -> tuple[str, str]:
    """Name and value of one part of a query, decoded as upstream will decode it."""
    name, _, value = part.partition("=")
    return unquote_plus(name, errors="surrogateescape"), unquote_plus(value, errors="surrogateescape")


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
