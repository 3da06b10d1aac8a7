"""What is remembered of a good token, and when it is forgotten."""

from typing import Any

import pytest

from outrider_plugins import jwt_verifier
from outrider_plugins.jwks import Key, KeySet, NoKeysError, parse_jwks
from outrider_plugins.jws import TokenError
from outrider_plugins.jwt_verifier import TokenVerifier, Trust
from signing import Signer, jwks

NOW = 1_700_000_000
SIGNER = Signer("ES256")
ISSUER = "https://issuer.example"


class Keys:
    """Keys that can be exchanged, and that count how often they are looked for."""

    def __init__(self, *signers: Signer) -> None:
        self.version = 0
        self.asked = 0
        self.exchange(*signers)

    def exchange(self, *signers: Signer) -> None:
        self._set = parse_jwks(jwks(*(signer.row() for signer in signers))) if signers else None
        self.version += 1

    def find(self, kid: str | None, algorithm: str) -> list[Key]:
        self.asked += 1
        if self._set is None:
            raise NoKeysError
        return self._set.find(kid, algorithm)

    def look_again(self) -> None:
        """Nothing to wait for."""


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


def verifier(keys: Keys, clock: Clock, **rules: Any) -> TokenVerifier[str]:
    trust = Trust(keys, frozenset(), frozenset({"ES256"}))
    return TokenVerifier({ISSUER: trust}, lambda claims, _: str(claims["sub"]), clock=clock, **rules)


def token(signer: Signer = SIGNER, **claims: Any) -> str:
    usual = {"iss": ISSUER, "sub": "alice", "exp": NOW + 60}
    return signer.token({name: value for name, value in {**usual, **claims}.items() if value is not None})


def test_a_good_token_is_verified_once() -> None:
    keys = Keys(SIGNER)
    tokens = verifier(keys, Clock())
    good = token()
    assert [tokens.verify(good) for _ in range(3)] == ["alice"] * 3
    assert keys.asked == 1


@pytest.mark.parametrize("leeway", [0, 10])
def test_a_token_that_is_remembered_still_ends(leeway: int) -> None:
    keys, clock = Keys(SIGNER), Clock()
    tokens = verifier(keys, clock, leeway=leeway)
    good = token()
    tokens.verify(good)
    clock.now = NOW + 60 + leeway - 0.001
    assert tokens.verify(good) == "alice"
    assert keys.asked == 1
    clock.now = NOW + 60 + leeway
    with pytest.raises(TokenError, match="expired"):
        tokens.verify(good)


def test_a_token_without_an_end_is_looked_at_again_after_a_minute() -> None:
    keys, clock = Keys(SIGNER), Clock()
    tokens = verifier(keys, clock, require_exp=False)
    endless = token(exp=None)
    for now, asked in ((NOW, 1), (NOW + 59, 1), (NOW + 60, 2)):
        clock.now = now
        assert tokens.verify(endless) == "alice"
        assert keys.asked == asked


def test_a_token_that_begins_later_is_not_remembered_as_bad() -> None:
    keys, clock = Keys(SIGNER), Clock()
    tokens = verifier(keys, clock)
    later = token(nbf=NOW + 1)
    with pytest.raises(TokenError):
        tokens.verify(later)
    clock.now += 1
    assert tokens.verify(later) == "alice"


def test_when_the_keys_change_everything_is_forgotten() -> None:
    keys = Keys(SIGNER)
    tokens = verifier(keys, Clock())
    good = token()
    tokens.verify(good)
    keys.exchange(Signer("ES256", number=1))
    with pytest.raises(TokenError, match=r"no such key|no key"):
        tokens.verify(good)


def test_a_token_that_differs_in_one_character_is_another_one() -> None:
    tokens = verifier(Keys(SIGNER), Clock())
    good = token()
    tokens.verify(good)
    for bad in (good[:-2] + ("AA" if good[-2:] != "AA" else "BA"), f"{good} ", good.upper()):
        with pytest.raises(TokenError):
            tokens.verify(bad)


def test_no_more_than_so_many_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwt_verifier, "SIZE", 3)
    keys = Keys(SIGNER)
    tokens = verifier(keys, Clock())
    many = [token(sub=str(number)) for number in range(4)]
    for one in many:
        tokens.verify(one)
    tokens.verify(many[3])
    assert keys.asked == 4
    tokens.verify(many[0])
    assert keys.asked == 5


def test_a_token_that_was_used_lately_is_not_the_one_that_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwt_verifier, "SIZE", 2)
    keys = Keys(SIGNER)
    tokens = verifier(keys, Clock())
    first, second, third = (token(sub=str(number)) for number in range(3))
    for one in (first, second, first, third, first):
        tokens.verify(one)
    assert keys.asked == 3


def test_what_can_not_be_made_of_a_token_is_not_remembered() -> None:
    def refuse(claims: Any, trust: Trust) -> str:
        raise TokenError(f"{claims} {trust}")

    keys = Keys(SIGNER)
    tokens = TokenVerifier({ISSUER: Trust(keys, frozenset(), frozenset({"ES256"}))}, refuse, clock=Clock())
    for asked in (1, 2):
        with pytest.raises(TokenError):
            tokens.verify(token())
        assert keys.asked == asked


def test_an_unknown_issuer_is_not_believed_whoever_signed() -> None:
    with pytest.raises(TokenError, match="nobody trusts"):
        verifier(Keys(SIGNER), Clock()).verify(token(iss="https://issuer.example/"))


def test_an_algorithm_that_the_issuer_does_not_use_is_refused_before_a_key_is_looked_for() -> None:
    keys = Keys(Signer("ES256"), Signer("RS256"))
    with pytest.raises(TokenError, match="not trusted with that algorithm"):
        verifier(keys, Clock()).verify(token(Signer("RS256")))
    assert keys.asked == 0


def test_without_keys_nobody_can_say_and_a_token_that_was_good_is_not_good_any_more() -> None:
    keys = Keys(SIGNER)
    tokens = verifier(keys, Clock())
    good = token()
    tokens.verify(good)
    keys.exchange()
    with pytest.raises(NoKeysError):
        tokens.verify(good)


def test_text_that_is_no_text_is_no_token() -> None:
    with pytest.raises(TokenError):
        verifier(Keys(SIGNER), Clock()).verify("\udcff.\ud800.é")


def test_a_remembered_token_costs_no_more_where_consumers_have_issuers_of_their_own() -> None:
    asked: list[str] = []

    class Own(KeySet):
        """The keys of a row of jwt_secrets, which never change."""

        @property
        def version(self) -> int:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
            asked.append("version")
            return 0

    others = {f"own-{number}": Trust(Own(), frozenset(), frozenset({"HS256"})) for number in range(100)}
    trust = Trust(Keys(SIGNER), frozenset(), frozenset({"ES256"}))
    tokens = TokenVerifier({ISSUER: trust, **others}, lambda claims, _: str(claims["sub"]), clock=Clock())
    good = token()
    assert [tokens.verify(good) for _ in range(3)] == ["alice"] * 3
    assert asked == []
