"""The plugin jwt-auth: consumers prove who they are with a signed token (RFC 7519, RFC 6750)."""

import asyncio
import json
import logging
import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationInfo, WithJsonSchema, model_validator

from outrider import (
    Auth,
    Consumers,
    Credential,
    HeaderName,
    Identity,
    Needs,
    Refusal,
    Request,
    Runtime,
)
from outrider.auth import IDENTITY_HEADERS
from outrider.errors import HeaderError
from outrider.fields import resolve
from outrider_plugins.jwks import (
    Asymmetric,
    KeySet,
    NoKeysError,
    Symmetric,
    is_list,
    is_short,
    parse_jwks,
    pem_key,
    secret_key,
)
from outrider_plugins.jws import TokenError
from outrider_plugins.jwt_token import Claims
from outrider_plugins.jwt_verifier import Trust, Verifier
from outrider_plugins.members import member
from outrider_plugins.remote_keys import RemoteKeys, check_url

_log = logging.getLogger("outrider.plugin.jwt-auth")

PATIENCE = 1.0
"""How long a start waits for keys from an address, in seconds."""

# Wide, so that nothing which another server might read as a bearer token is overlooked. Gateways join repeated
# headers with a comma.
_ANY_BEARER = re.compile(r"(?:^|,)\s*bearer(?![!#$%&'*+.^_`|~0-9a-z-])", re.IGNORECASE)

# RFC 6749, section 3.3: no quote and no backslash, so it can stand in a challenge.
Scope = Annotated[str, Field(pattern=r"^[!#-\[\]-~]+$")]


def _keys(value: Any, info: ValidationInfo) -> KeySet | RemoteKeys:
    if not isinstance(value, str):
        raise ValueError("must be the path of a file, or an https address")
    if "://" in value:
        return RemoteKeys(check_url(value))
    path = resolve(value, info)
    try:
        return parse_jwks(path.read_bytes())
    except OSError as error:
        raise ValueError(
            f"{path} can't be read ({error.strerror}): paths begin at the file that names them"
        ) from None
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


class JwtAuth(Auth):
    """Lets requests in that carry a valid token of an issuer in `authorization: Bearer`.

    The signature, `iss`, `aud`, `exp`, `nbf`, `iat` and the scopes are checked. Keys at an address are fetched in the
    background; until they are there, the issuer's tokens are answered with 503. A verified token is remembered
    until it expires, so it outlives the withdrawal of its key by at most the time to the next fetch.
    """

    priority: ClassVar[int] = 1450

    issuers: list[Issuer] = []
    """Whose tokens are believed, beside the consumers' own `jwt_secrets`."""
    claims_to_headers: dict[str, HeaderName] = {}
    """Claims of `issuers` that upstream is told, each with its header; a dot leads into an object: realm.role."""
    required_scopes: list[Scope] = []
    """Scopes that a token of `issuers` must have, all of them, in `scope` or `scp`; any other token gets 403."""
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

    @model_validator(mode="after")
    def _each_header_once(self) -> Self:
        headers = list(self.claims_to_headers.values())
        for header in headers:
            if headers.count(header) > 1:
                raise ValueError(f"claims_to_headers: two claims go to {header!r}: give one of them another header")
            if header in IDENTITY_HEADERS or header == "authorization":
                raise ValueError(f"claims_to_headers: {header!r} is taken: choose another header")
        return self

    def needs(self) -> Needs:
        return Needs(identity_headers=tuple(self.claims_to_headers.values()))

    def check(self, consumers: Consumers, /) -> None:
        self._trusted(consumers)

    async def start(self, runtime: Runtime, /) -> None:
        await super().start(runtime)
        self._consumers = runtime.consumers
        trusted = self._trusted(runtime.consumers)
        _warn_of_short_secrets(runtime.consumers)
        self._verifier = Verifier(trusted, self._identity, leeway=self.leeway, require_exp=self.require_exp)
        await _fetch_keys([one.jwks for one in self.issuers if isinstance(one.jwks, RemoteKeys)], runtime)

    def authenticate(self, request: Request, /) -> Identity | Refusal | None:
        credentials = request.headers.get_all("authorization")
        try:
            identity = self._verifier.verify(_only_token(credentials))
        except TokenError:
            return self.refuse(challenge='Bearer error="invalid_token"') if _have_token(credentials) else None
        except NoKeysError:
            return Refusal(503, "Tokens can't be checked now", headers={"retry-after": "5"})
        if self.required_scopes and not _scopes(identity.claims).issuperset(self.required_scopes):
            return self._forbid()
        return identity

    def challenge(self) -> str:
        # RFC 6750, section 3: no error code where there was no token, but at least one parameter.
        return 'Bearer realm="outrider"'

    def hide_credential(self, request: Request, /) -> None:
        if _have_token(request.headers.get_all("authorization")):
            request.headers.discard("authorization")

    def _trusted(self, consumers: Consumers) -> dict[str, Trust]:
        """Every issuer by its name: those of the plugin, and the consumers' own."""
        trusted = {one.issuer: _trust(one) for one in self.issuers}
        for row in consumers.credentials("jwt_secrets"):
            name = str(row.fields["key"])
            if name in trusted:
                raise ValueError(f"two issuers are called {name!r}: give one of them another name")
            trusted[name] = _owned_trust(row)
        return trusted

    def _forbid(self) -> Refusal:
        # RFC 6750, section 3.1
        challenge = f'Bearer error="insufficient_scope", scope="{" ".join(self.required_scopes)}"'
        return Refusal(403, "Forbidden", headers={"www-authenticate": challenge})

    def _identity(self, claims: Claims, trust: Trust) -> Identity:
        """What a good token proves. Raises `TokenError` if a claim can't stand in its header."""
        if trust.owner is not None:
            # Its owner writes all claims, so they prove nothing but whose the token is.
            return Identity(trust.owner.id, trust.owner.consumer)
        name = member(claims, self.consumer_claim)
        credential = claims.get("sub", claims["iss"])
        consumer = self._consumers.find(name) if isinstance(name, str) else None
        found = ((header, member(claims, claim)) for claim, header in self.claims_to_headers.items())
        try:
            headers = {header: _text(value) for header, value in found if value is not None}
            identity = Identity(credential, consumer, claims, headers)
            identity.told()
        except (HeaderError, RecursionError) as error:
            raise TokenError("a claim that can't stand in a header") from error
        return identity


async def _fetch_keys(sources: list[RemoteKeys], runtime: Runtime) -> None:
    """Fetches in the background. The first requests should find keys, but an issuer may be down at the start."""
    for source in sources:
        runtime.spawn(source.keep_fresh())
    try:
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(source.tried() for source in sources))
    except TimeoutError:
        _log.warning("not all keys came within %g s: starting without them", PATIENCE)


def _trust(one: Issuer) -> Trust:
    return Trust(one.jwks, frozenset(one.audiences), frozenset(one.algorithms))


def _owned_trust(row: Credential) -> Trust:
    """A consumer's own issuer (Kong's jwt_secrets)."""
    algorithm = str(row.fields["algorithm"])
    try:
        if algorithm in get_args(Symmetric):
            key = secret_key(str(row.fields["secret"]), algorithm)
        else:
            key = pem_key(str(row.fields["rsa_public_key"]), algorithm)
    except ValueError as error:
        raise ValueError(f"jwt_secrets of {row.consumer.username or row.consumer.id}: {error}") from None
    return Trust(KeySet([key]), frozenset(), key.algorithms, row)


def _warn_of_short_secrets(consumers: Consumers) -> None:
    # RFC 7518, section 3.2 forbids them, but Kong takes them and files have them.
    for row in consumers.credentials("jwt_secrets"):
        algorithm, owner = str(row.fields["algorithm"]), row.consumer.username or row.consumer.id
        if is_short(str(row.fields.get("secret")), algorithm):
            _log.warning(
                "a secret in jwt_secrets of %s is shorter than %s wants it: it can be guessed", owner, algorithm
            )


def _have_token(credentials: Sequence[str]) -> bool:
    return any(map(_ANY_BEARER.search, credentials))


def _only_token(credentials: Sequence[str]) -> str:
    """The token of the only credential (RFC 6750, section 2.1). Raises `TokenError`.

    What stands in the token is not looked at: only base64url and dots are ever verified, and so remembered.
    """
    if len(credentials) == 1:
        scheme, _, token = credentials[0].partition(" ")
        if scheme.lower() == "bearer":
            return token.strip(" ")
    raise TokenError("not one credential, and a bearer token")


def _text(value: Any) -> str:
    """A claim as a header has it: text as it is, a list by commas, anything else as JSON."""
    if isinstance(value, str):
        return value
    if is_list(value):
        return ",".join(map(_text, value))
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _scopes(claims: Claims) -> frozenset[str]:
    found = claims.get("scope", claims.get("scp", ""))
    if is_list(found):
        return frozenset(item for item in found if isinstance(item, str))
    return frozenset(found.split(" ")) if isinstance(found, str) else frozenset()
