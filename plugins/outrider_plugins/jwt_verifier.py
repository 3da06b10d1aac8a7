"""Verifies tokens for jwt-auth, and remembers those that were good."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Generic, NamedTuple, TypeVar

from outrider import Credential
from outrider_plugins.jwks import KeySource
from outrider_plugins.jws import TokenError
from outrider_plugins.jwt_token import Claims, Token, check_audience, check_times

SIZE = 5_000
"""How many verified tokens are remembered; beyond it those that were used least recently are verified again."""
LONGEST = 4 * 1024
"""The longest token that is remembered, in characters: what is remembered has to fit into memory."""
ENDLESS = 60.0
"""How long a token without an end is remembered, in seconds."""

Made = TypeVar("Made")


class Trust(NamedTuple):
    """How the tokens of one issuer are verified, and whose they are if the file says so."""

    source: KeySource
    audiences: frozenset[str]
    algorithms: frozenset[str]
    owner: Credential | None = None
    """The consumer's credential that the issuer is, where it belongs to a consumer."""


class Verifier(Generic[Made]):
    """Turns a token that is good into what `make` makes of its claims, and remembers that until the token ends.

    Everything is forgotten when the keys of an issuer change. `make` may raise `TokenError` too.
    """

    def __init__(
        self,
        trusted: Mapping[str, Trust],
        make: Callable[[Claims, Trust], Made],
        *,
        leeway: float = 0,
        require_exp: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._trusted = trusted
        self._make = make
        self._leeway = leeway
        self._require_exp = require_exp
        self._clock = clock
        self._sources = [trust.source for trust in trusted.values()]
        self._versions = self._current_versions()
        self._known: OrderedDict[bytes, tuple[Made, float]] = OrderedDict()

    def verify(self, text: str) -> Made:
        """Raises `TokenError` for a token that is not good, `NoKeysError` if nobody can say."""
        versions = self._current_versions()
        if versions != self._versions:
            self._known.clear()
            self._versions = versions
        digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known is not None and self._clock() < known[1]:
            self._known.move_to_end(digest)
            return known[0]
        made, end = self._verified(Token.parse(text))
        if len(text) <= LONGEST:
            self._remember(digest, made, end)
        return made

    def _remember(self, digest: bytes, made: Made, end: float) -> None:
        self._known[digest] = made, end
        self._known.move_to_end(digest)
        if len(self._known) > SIZE:
            self._known.popitem(last=False)

    def _verified(self, token: Token) -> tuple[Made, float]:
        trust = self._trusted.get(token.issuer)
        if trust is None or token.signed.algorithm not in trust.algorithms:
            raise TokenError("nobody trusts that issuer, or not with this algorithm")
        token.signed.verify(trust.source.find(token.signed.kid, token.signed.algorithm))
        check_audience(token.claims, trust.audiences)
        now = self._clock()
        end = check_times(token.claims, now, leeway=self._leeway, require_exp=self._require_exp)
        return self._make(token.claims, trust), now + ENDLESS if end is None else end

    def _current_versions(self) -> list[int]:
        return [source.version for source in self._sources]
