"""What jwt-auth and introspection-auth share: a token, where it stands, and what its claims allow (RFC 6750)."""

import logging
import re
from abc import abstractmethod
from collections.abc import Awaitable, Hashable, Sequence
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from outrider import Consumer, HeaderName, Identity, Needs, Refusal, Request, Runtime
from outrider.auth import IDENTITY_HEADERS, Outcome
from outrider_plugins.authorization import Scheme
from outrider_plugins.claims import Claims, as_header, as_texts, scopes
from outrider_plugins.credential_source import CredentialSource
from outrider_plugins.members import member
from outrider_plugins.placed_auth import PlacedAuth

_BEARER = Scheme("bearer")
_NO_TOKEN = ""
# What downstream sends under a claim's header is removed on every route: these have another meaning.
_OTHERS = (
    *("accept", "authorization", "content-", "cookie", "forwarded", "trace", "user-agent", "via"),
    *("x-forwarded-", "x-real-ip", "x-request-id"),
)

_log = logging.getLogger("outrider.plugin.bearer")
_SCOPE = re.compile(r"[!#-\[\]-~]+")


def _scope(text: str) -> str:
    # RFC 6749, section 3.3: no quote and no backslash, so it can stand in a challenge.
    if not _SCOPE.fullmatch(text):
        raise ValueError(f"{text!r} is no scope: write one scope an item, of printable ASCII without quotes")
    return text


Scope = Annotated[str, AfterValidator(_scope)]
Values = Annotated[
    list[str],
    BeforeValidator(as_texts),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class BearerAuth(PlacedAuth, abstract=True):
    """Finds the one token of a request; a subclass says what it proves."""

    header: HeaderName | None = Field(
        default="authorization",
        description="The header that carries the token, after `Bearer` in `authorization` and alone in any other; "
        "null for none.",
    )
    claims_to_headers: dict[str, HeaderName] = Field(
        default_factory=dict[str, HeaderName],
        description="Claims that upstream is told, each with its header; a dot leads into an object: realm.role.",
    )
    required_scopes: list[Scope] = Field(
        default_factory=list[Scope],
        description="Scopes that a token must have, all of them, in `scope` or `scp`; any other token gets 403.",
    )
    any_scopes: list[Scope] = Field(
        default_factory=list[Scope], description="Scopes of which a token must have at least one, or it gets 403."
    )
    required_claims: dict[str, Values] = Field(
        default_factory=dict[str, list[str]],
        description="Claims that a token must have, each with the values of which it must hold one; an empty list "
        "takes any value. Any other token gets 403.",
    )
    consumer_claim: str = Field(
        default="sub", min_length=1, description="The claim that names the consumer, by username or custom_id."
    )
    leeway: int = Field(
        default=0, ge=0, le=300, description="How far the issuer's clock may differ from ours, in seconds."
    )
    hide: bool = Field(
        default=False, description="Whether a good token is removed from what goes upstream; a bad one always is."
    )

    @model_validator(mode="after")
    def _each_header_once(self) -> Self:
        headers = list(self.claims_to_headers.values())
        for header in headers:
            if headers.count(header) > 1:
                raise ValueError(f"claims_to_headers: two claims go to {header!r}: give one of them another header")
            if header in IDENTITY_HEADERS or header == self.header or header.startswith(_OTHERS):
                raise ValueError(f"claims_to_headers: {header!r} is taken: choose another header")
        return self

    def needs(self) -> Needs:
        return Needs(identity_headers=tuple(self.claims_to_headers.values()))

    async def start(self, runtime: Runtime, /) -> None:
        """Looks at the consumers and the places of the token once."""
        await super().start(runtime)
        self._consumers = runtime.consumers
        self._in_authorization = self.header == "authorization"
        header = None if self._in_authorization else self.header
        self._elsewhere = CredentialSource(header, self.query, self.cookie)
        self._only_authorization = not (header or self.query or self.cookie)
        self.restricted = bool(self.required_scopes or self.any_scopes or self.required_claims)

    @abstractmethod
    def identify(self, token: str) -> Outcome | Awaitable[Outcome]:
        """What the only token of a request proves. It may be any text."""

    def authenticate(self, request: Request, /) -> Outcome | Awaitable[Outcome]:
        tokens = bearer_tokens(request.headers.get_all("authorization")) if self._in_authorization else []
        if not self._only_authorization:
            tokens += self._elsewhere.find(request)
        if not tokens:
            return None
        # RFC 6750, section 2: not in more than one place. Which of them counts, two servers answer differently.
        return self.identify(tokens[0]) if len(tokens) == 1 else self.invalid()

    def challenge(self) -> str:
        # RFC 6750, section 3: no error code where there was no token, but at least one parameter.
        return 'Bearer realm="outrider"'

    def invalid(self) -> Refusal:
        """The 401 for a token that is not good, whatever is wrong with it."""
        return self.refuse(challenge='Bearer error="invalid_token"')

    def refused(self, why: Exception) -> Refusal:
        """The same, with a line for operators that says why and not which token."""
        _log.debug("a token is refused: %s", why)
        return self.invalid()

    def unavailable(self) -> Refusal:
        """The 503 for a token that nobody can say anything about at the moment."""
        return Refusal(503, "Tokens can't be checked now", headers={"retry-after": "5"})

    def hide_credential(self, request: Request, /) -> None:
        if self._in_authorization:
            _BEARER.remove(request)
        if not self._only_authorization:
            self._elsewhere.remove(request)

    def carrier(self) -> Hashable:
        return BearerAuth, self.header, self.query, self.cookie

    def permitted(self, credential: str, claims: Claims) -> Identity | Refusal:
        """What good claims prove: an identity, or a refusal where they lack what is required.

        Raises `ValueError` or `RecursionError` if one of them can't stand in its header.
        """
        as_header(credential)
        if self.restricted and not self._satisfied(claims):
            return self.forbid()
        found = ((header, member(claims, claim)) for claim, header in self.claims_to_headers.items())
        headers = {header: as_header(value) for header, value in found if value is not None}
        identity = Identity(credential, self._consumer(claims), claims, headers)
        identity.told()
        return identity

    def forbid(self) -> Refusal:
        """The 403 for a good token that lacks what is required (RFC 6750, section 3.1)."""
        scope = " ".join([*self.required_scopes, *self.any_scopes])
        challenge = 'Bearer error="insufficient_scope"' + (f', scope="{scope}"' if scope else "")
        return Refusal(403, "Forbidden", headers={"www-authenticate": challenge})

    def _consumer(self, claims: Claims) -> Consumer | None:
        name = member(claims, self.consumer_claim)
        return self._consumers.find(name) if isinstance(name, str) else None

    def _satisfied(self, claims: Claims) -> bool:
        has = scopes(claims)
        if not has.issuperset(self.required_scopes) or (self.any_scopes and has.isdisjoint(self.any_scopes)):
            return False
        return all(_holds(member(claims, name), values) for name, values in self.required_claims.items())


def bearer_tokens(credentials: Sequence[str]) -> list[str]:
    """The bearer tokens among the credentials; one that can't be told from the others is empty.

    What stands in the token is not looked at.
    """
    token = _BEARER.only(credentials)
    if token is not None:
        return [token]
    return [_NO_TOKEN] if _BEARER.is_in(credentials) else []


def _holds(claim: Any, values: Sequence[str]) -> bool:
    return claim is not None and (not values or any(one in values for one in as_texts(claim)))
