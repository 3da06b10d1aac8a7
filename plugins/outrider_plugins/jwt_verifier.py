"""Verifies tokens for jwt-auth, and remembers those that were good."""

import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar

from outrider import Credential
from outrider_plugins.claims import Claims
from outrider_plugins.jwks import KeySet, KeySource
from outrider_plugins.jws import Signed, TokenError
from outrider_plugins.jwt_token import Token, check_audience, check_times
from outrider_plugins.remembered import Remembered

SIZE = 5_000
"""How many verified tokens are remembered; beyond it those that were used least recently are verified again."""
LONGEST = 4 * 1024
"""The longest token that is remembered, in characters: what is remembered has to fit into memory."""
ENDLESS = 60.0
"""How long a token without an end is remembered, in seconds."""

Made = TypeVar("Made")


class NoSuchKeyError(TokenError):
    """The token names a key that its issuer did not have when its keys were fetched, or none that fits."""

    def __init__(self, source: KeySource) -> None:
        super().__init__("no such key")
        self.source = source


class Trust(NamedTuple):
    """How the tokens of one issuer are verified, and whose they are if the file says so."""

    source: KeySource
    audiences: frozenset[str]
    algorithms: frozenset[str]
    types: frozenset[str] = frozenset()
    owner: Credential | None = None
    """The consumer's credential that the issuer is, where it belongs to a consumer."""


class TokenVerifier(Generic[Made]):
    """Turns a token that is good into what `make` makes of its claims, and remembers that until the token ends.

    `owned` are the issuers of consumers, whose keys never change; many verifiers may share them. Everything is
    forgotten when the keys of another issuer change. `make` may raise `TokenError` too.
    """

    def __init__(
        self,
        trusted: Mapping[str, Trust],
        make: Callable[[Claims, Trust], Made],
        *,
        leeway: float = 0,
        owned: Mapping[str, Trust] = MappingProxyType({}),
        require_exp: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._trusted, self._owned = trusted, owned
        self._make = make
        self._leeway = leeway
        self._require_exp = require_exp
        self._clock = clock
        self._sources = [trust.source for trust in trusted.values() if not isinstance(trust.source, KeySet)]
        self._versions = self._current_versions()
        self._known: Remembered[Made] = Remembered(SIZE, clock)

    def verify(self, text: str) -> Made:
        """Raises `TokenError` for a token that is not good, `NoKeysError` if nobody can say."""
        versions = self._current_versions()
        if versions != self._versions:
            self._known.clear()
            self._versions = versions
        digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known is not None:
            return known
        made, end = self._verified(Token.parse(text))
        if len(text) <= LONGEST:
            self._known.put(digest, made, end)
        return made

    def _verified(self, token: Token) -> tuple[Made, float]:
        trust = self._trusted.get(token.issuer) or self._owned.get(token.issuer)
        if trust is None:
            raise TokenError("nobody trusts its issuer")
        if token.signed.algorithm not in trust.algorithms:
            raise TokenError("its issuer is not trusted with that algorithm")
        if trust.types and token.signed.type not in trust.types:
            raise TokenError("another type of token")
        self._check_signature(token.signed, trust.source)
        check_audience(token.claims, trust.audiences)
        now = self._clock()
        end = check_times(token.claims, now, leeway=self._leeway, require_exp=self._require_exp)
        return self._make(token.claims, trust), now + ENDLESS if end is None else end

    def _check_signature(self, signed: Signed, source: KeySource) -> None:
        keys = source.find(signed.kid, signed.algorithm)
        try:
            signed.verify(keys)
        except TokenError:
            if signed.kid is not None and any(key.kid == signed.kid for key in keys):
                raise
            raise NoSuchKeyError(source) from None

    def _current_versions(self) -> list[int]:
        return [source.version for source in self._sources]
