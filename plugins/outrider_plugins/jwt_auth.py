"""The plugin jwt-auth: consumers prove who they are with a signed token (RFC 7519, RFC 6750)."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import ClassVar, Self

from pydantic import model_validator

from outrider import Consumers, Credential, Identity, Refusal, Runtime
from outrider.auth import Outcome
from outrider_plugins.bearer_auth import BearerAuth
from outrider_plugins.claims import Claims
from outrider_plugins.jwks import NoKeysError
from outrider_plugins.jws import TokenError
from outrider_plugins.jwt_issuer import Issuer, owned_trust, warn_of_short_secrets
from outrider_plugins.jwt_verifier import NoSuchKeyError, TokenVerifier, Trust
from outrider_plugins.remote_keys import RemoteKeys

_log = logging.getLogger("outrider.plugin.jwt-auth")

PATIENCE = 2.0
"""How long a start waits for keys from an address, in seconds."""


class JwtAuth(BearerAuth):
    """Lets requests in that carry a valid token of an issuer.

    The signature, `iss`, `aud`, `exp`, `nbf`, `iat` and what is required of scopes and claims are checked. Keys at an
    address are fetched in the background; until they are there, the issuer's tokens are answered with 503. A token
    is remembered until it expires, so it outlives the withdrawal of its key by at most the time to the next fetch.
    """

    priority: ClassVar[int] = 1450

    issuers: list[Issuer] = []
    """Whose tokens are believed, beside the consumers' own `jwt_secrets`."""
    require_exp: bool = True
    """Whether a token must have an end."""

    @model_validator(mode="after")
    def _each_issuer_once(self) -> Self:
        names = [one.issuer for one in self.issuers]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the issuer {name!r} stands twice: keep one of them")
        return self

    def check(self, consumers: Consumers, /) -> None:
        self._trusted(consumers)

    async def start(self, runtime: Runtime, /) -> None:
        await super().start(runtime)
        trusted, owned = self._trusted(runtime.consumers)
        runtime.consumers.once(warn_of_short_secrets)
        self._verifier = TokenVerifier(
            trusted, self._outcome, owned=owned, leeway=self.leeway, require_exp=self.require_exp
        )
        await _fetch_keys([one.source for one in trusted.values() if isinstance(one.source, RemoteKeys)], runtime)

    def identify(self, token: str) -> Outcome | Awaitable[Outcome]:
        try:
            return self._verifier.verify(token)
        except NoSuchKeyError as error:
            return self._look_again(error, token)
        except TokenError as error:
            return self.refused(error)
        except NoKeysError:
            return self.unavailable()

    def _look_again(self, error: NoSuchKeyError, token: str) -> Outcome | Awaitable[Outcome]:
        """An issuer that has a new key signs with it before we know it: its first tokens wait for the key."""
        try:
            fetch = error.source.look_again()
        except NoKeysError:
            return self.unavailable()
        return self.refused(error) if fetch is None else self._after(fetch, token)

    async def _after(self, fetch: Awaitable[None], token: str) -> Outcome:
        try:
            # Not as long as the hook may take: that would be a fault, with a line in the log for each request.
            async with asyncio.timeout(self.timeout / 2000):
                await fetch
            return self._verifier.verify(token)
        except TokenError as error:
            return self.refused(error)
        except (NoKeysError, TimeoutError):
            return self.unavailable()

    def _trusted(self, consumers: Consumers) -> tuple[dict[str, Trust], dict[str, Trust]]:
        """Issuers by their names: those of the plugin, and the consumers' own."""
        owned = consumers.once(_owned)
        for one in self.issuers:
            if (other := owned.get(one.issuer)) is not None and other.owner is not None:
                raise _taken(one.issuer, other.owner)
        return {one.issuer: one.trust() for one in self.issuers}, owned

    def _outcome(self, claims: Claims, trust: Trust) -> Identity | Refusal:
        """What a good token proves. Raises `TokenError` if a claim can't stand in its header."""
        if trust.owner is not None:
            # Its owner writes all claims, so they prove nothing but whose the token is.
            identity = Identity(trust.owner.id, trust.owner.consumer)
            return self.forbid() if self.restricted else identity
        try:
            return self.permitted(claims.get("sub", claims["iss"]), claims)
        except (ValueError, RecursionError) as error:
            raise TokenError("a claim that can't stand in a header") from error


def _owned(consumers: Consumers) -> dict[str, Trust]:
    owned: dict[str, Trust] = {}
    for row in consumers.credentials("jwt_secrets"):
        name = str(row.fields["key"])
        if name in owned:
            raise _taken(name, row)
        owned[name] = owned_trust(row)
    return owned


def _taken(name: str, row: Credential) -> ValueError:
    owner = row.consumer.name
    return ValueError(
        f"a jwt_secrets key of {owner} is {name!r}, which another issuer is called: give it another name"
    )


async def _fetch_keys(sources: list[RemoteKeys], runtime: Runtime) -> None:
    """Fetches in the background. The first requests should find keys, but an issuer may be down at the start."""
    for source in sources:
        runtime.spawn(source.keep_fresh())
    try:
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(source.tried() for source in sources))
    except TimeoutError:
        _log.warning("not all keys came within %g s: starting without them", PATIENCE)
