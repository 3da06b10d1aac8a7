"""The plugin jwt-auth: consumers prove who they are with a signed token (RFC 7519, RFC 6750)."""

import asyncio
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, cast, get_args

from cachetools import TLRUCache
from outrider import (
    Auth,
    Consumers,
    HeaderName,
    Headers,
    Identity,
    Needs,
    Refusal,
    Request,
    Runtime,
    StartError,
)
from outrider.errors import HeaderError
from outrider.fields import resolve
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationInfo, WithJsonSchema, model_validator

from outrider_plugins.jwks import SYMMETRIC, Key, KeySet, parse_jwks, pem_key, secret_key
from outrider_plugins.jwt_token import Token, TokenError
from outrider_plugins.remote_keys import RemoteKeys, check_url

Asymmetric = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
Symmetric = Literal["HS256", "HS384", "HS512"]

CACHE = 5_000
"""How many verified tokens are remembered; beyond it those that were used least recently are verified again."""


def _keys(value: Any, info: ValidationInfo) -> KeySet | RemoteKeys:
    if not isinstance(value, str):
        raise ValueError("must be the path of a file, or an https address")
    if "://" in value:
        return RemoteKeys(check_url(value))
    path = resolve(value, info)
    try:
        return parse_jwks(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path} can't be read ({error.strerror})") from None
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None


class Issuer(BaseModel):
    """Somebody whose tokens are believed."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, arbitrary_types_allowed=True
    )

    issuer: Annotated[str, Field(min_length=1)]
    """The value of the claim `iss`."""
    jwks: Annotated[KeySet | RemoteKeys, PlainValidator(_keys), WithJsonSchema({"type": "string"})]
    """The issuer's keys: a file, relative to the one that names it, or an https address."""
    audiences: list[str] = []
    """One of these must be in the claim `aud`. Without any, a token that has an `aud` is refused."""
    algorithms: Annotated[list[Asymmetric | Symmetric], Field(min_length=1)] = list(get_args(Asymmetric))
    """The algorithms that are accepted. HS256, HS384 and HS512 only if they are listed here."""


class _Trust(NamedTuple):
    """How the tokens of one issuer are verified, and whose they are if the file says so."""

    source: KeySet | RemoteKeys
    audiences: frozenset[str]
    algorithms: frozenset[str]
    owner: str | None = None
    """The id of the consumer whose `jwt_secrets` it stands in."""

    @property
    def keys(self) -> KeySet:
        return self.source.keys if isinstance(self.source, RemoteKeys) else self.source


class _Verified(NamedTuple):
    identity: Identity
    expires: float
    """When it has to be verified again, in seconds since the epoch."""


class JwtAuth(Auth):
    """Lets requests in that carry a valid token of an issuer in `authorization: Bearer`.

    The signature, `iss`, `aud`, `exp`, `nbf` and the scopes are checked. Keys at an address are fetched in the
    background; until they are there, the issuer's tokens are answered with 503. A verified token is remembered
    until it expires, so it outlives the withdrawal of its key by at most the time to the next fetch.
    """

    priority: ClassVar[int] = 1450

    issuers: list[Issuer] = []
    """Whose tokens are believed, beside the consumers' own `jwt_secrets`."""
    claims_to_headers: dict[str, HeaderName] = {}
    """Claims that upstream is told, each with its header; a dot leads into an object, as in realm.role."""
    required_scopes: list[str] = []
    """Scopes that a token must have, all of them, in `scope` or `scp`; without one the request gets 403."""
    leeway: Annotated[int, Field(ge=0, le=300)] = 0
    """How far the clocks may differ, in seconds."""
    consumer_claim: Annotated[str, Field(min_length=1)] = "sub"
    """The claim that names the consumer, by username or custom_id."""
    require_exp: bool = True
    """Whether a token must have an end."""
    hide: bool = False
    """Whether a good token is removed from what goes upstream; a bad one always is."""

    @model_validator(mode="after")
    def _each_issuer_once(self) -> Self:
        names = [one.issuer for one in self.issuers]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the issuer {name!r} stands twice: keep one of them")
        return self

    def needs(self) -> Needs:
        return Needs(identity_headers=tuple(self.claims_to_headers.values()))

    async def start(self, runtime: Runtime, /) -> None:
        await super().start(runtime)
        self._consumers = runtime.consumers
        self._trusted = {one.issuer: _trust(one) for one in self.issuers}
        for name, trust in _secrets(runtime.consumers):
            if name in self._trusted:
                raise StartError(f"two issuers are called {name!r}: give one of them another key")
            self._trusted[name] = trust
        self._cache: TLRUCache[bytes, _Verified] = TLRUCache(
            CACHE, lambda _, verified, __: verified.expires, timer=time.time
        )
        self._versions = self._current_versions()
        remote = [one.jwks for one in self.issuers if isinstance(one.jwks, RemoteKeys)]
        for source in remote:
            runtime.spawn(source.keep_fresh())
        # The first requests should find keys; an issuer that is down must not keep the gateway from starting.
        await asyncio.gather(*(source.tried() for source in remote))

    def authenticate(self, request: Request, /) -> Identity | Refusal | None:
        credentials = request.headers.get_all("authorization")
        if not any(_is_bearer(credential) for credential in credentials):
            return None
        # Envoy joins repeated headers with a comma, which no token has.
        if len(credentials) != 1 or "," in credentials[0]:
            return self._invalid()
        text = credentials[0][len("bearer ") :].strip(" ")
        if self._versions != self._current_versions():
            self._cache.clear()
            self._versions = self._current_versions()
        digest = sha256(text.encode("utf-8", "surrogateescape")).digest()
        known = self._cache.get(digest)
        return self._authorized(known.identity) if known is not None else self._verify(text, digest)

    def challenge(self) -> str:
        return "Bearer"

    def hide_credential(self, request: Request, /) -> None:
        if any(_is_bearer(credential) for credential in request.headers.get_all("authorization")):
            request.headers.discard("authorization")

    def _verify(self, text: str, digest: bytes) -> Identity | Refusal:
        try:
            token = Token.parse(text)
            trust = self._trusted.get(token.issuer)
            if trust is None or token.algorithm not in trust.algorithms:
                return self._invalid()
            if isinstance(trust.source, RemoteKeys):
                if not len(trust.keys):
                    return Refusal(503, "Tokens can't be checked now", headers={"retry-after": "5"})
                if not trust.keys.has(token.kid):
                    trust.source.ask_again()
            keys = trust.keys.find(token.kid if trust.owner is None else None, token.algorithm)
            claims = token.verify(keys, trust.audiences, leeway=self.leeway, require_exp=self.require_exp)
            identity = self._identity(claims, trust)
        except (TokenError, HeaderError):
            return self._invalid()
        self._cache[digest] = _Verified(identity, _end(claims, self.leeway))
        return self._authorized(identity)

    def _identity(self, claims: Mapping[str, Any], trust: _Trust) -> Identity:
        name = trust.owner if trust.owner is not None else _claim(claims, self.consumer_claim)
        consumer = None
        if isinstance(name, str):
            consumer = self._consumers.named(name) if trust.owner is not None else self._consumers.find(name)
        subject = claims.get("sub", claims.get("iss", ""))
        headers = {
            header: _text(value)
            for claim, header in self.claims_to_headers.items()
            if (value := _claim(claims, claim)) is not None
        }
        # A claim that can't stand in a header makes the token a bad one, not the plugin.
        Headers({**headers, "x-credential-identifier": str(subject)})
        return Identity(str(subject), consumer, claims, headers)

    def _authorized(self, identity: Identity) -> Identity | Refusal:
        if not self.required_scopes or _scopes(identity.claims).issuperset(self.required_scopes):
            return identity
        scope = " ".join(self.required_scopes)
        # RFC 6750, section 3.1
        challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
        return Refusal(403, "Forbidden", headers={"www-authenticate": challenge})

    def _invalid(self) -> Refusal:
        return self.refuse(challenge='Bearer error="invalid_token"')

    def _current_versions(self) -> tuple[int, ...]:
        return tuple(one.jwks.version for one in self.issuers if isinstance(one.jwks, RemoteKeys))


def _trust(one: Issuer) -> _Trust:
    return _Trust(one.jwks, frozenset(one.audiences), frozenset(one.algorithms))


def _secrets(consumers: Consumers) -> list[tuple[str, _Trust]]:
    """The consumers' own issuers: `key` is the claim `iss` (Kong's jwt_secrets)."""
    found: list[tuple[str, _Trust]] = []
    for row in consumers.credentials("jwt_secrets"):
        algorithm = str(row.fields["algorithm"])
        try:
            key = _owned_key(row.fields, algorithm)
        except ValueError as error:
            raise StartError(f"jwt_secrets {row.id}: {error}") from None
        found.append((str(row.fields["key"]), _Trust(KeySet([key]), frozenset(), key.algorithms, row.consumer.id)))
    return found


def _owned_key(fields: Mapping[str, Any], algorithm: str) -> Key:
    if algorithm in SYMMETRIC:
        return secret_key(str(fields["secret"]), algorithm)
    return pem_key(str(fields["rsa_public_key"]), algorithm)


def _is_bearer(credential: str) -> bool:
    return credential[:7].lower() == "bearer "


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its own name, or else by the dotted path into objects; None if it is absent."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for name in path.split("."):
        value = cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str:
    """A claim as a header has it: lists by commas, true and false in JSON's words."""
    if isinstance(value, list):
        items: list[Any] = value
        return ",".join(map(_text, items))
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    found = claims.get("scope", claims.get("scp", ""))
    if isinstance(found, list):
        items: list[Any] = found
        return frozenset(map(str, items))
    return frozenset(found.split()) if isinstance(found, str) else frozenset()


def _end(claims: Mapping[str, Any], leeway: int) -> float:
    """Until when a verified token may be remembered; one without an end for a minute."""
    end = claims.get("exp")
    return float(end) + leeway if isinstance(end, int | float) else time.time() + 60
