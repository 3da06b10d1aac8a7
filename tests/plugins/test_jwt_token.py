"""The claims of a token: for whom it is, and when."""

from typing import Any

import pytest

from outrider_plugins.jws import TokenError
from outrider_plugins.jwt_token import Token, check_audience, check_times
from signing import Signer

NOW = 1_700_000_000


def times(claims: dict[str, Any], *, leeway: float = 0, require_exp: bool = False) -> float | None:
    return check_times(claims, NOW, leeway=leeway, require_exp=require_exp)


@pytest.mark.parametrize(
    ("claims", "leeway"),
    [
        ({"exp": NOW}, 0),
        ({"exp": NOW - 0.001}, 0),
        ({"exp": NOW - 10}, 10),
        ({"exp": 0}, 300),
        ({"exp": -1}, 0),
        ({"nbf": NOW + 1}, 0),
        ({"nbf": NOW + 11}, 10),
        ({"iat": NOW + 1}, 0),
        ({"iat": NOW + 10.5}, 10),
        ({"exp": NOW + 60, "nbf": NOW + 30}, 0),
    ],
)
def test_outside_its_times_a_token_is_bad(claims: dict[str, Any], leeway: float) -> None:
    with pytest.raises(TokenError, match=r"expired|not valid yet"):
        times(claims, leeway=leeway)


@pytest.mark.parametrize(
    ("claims", "leeway", "end"),
    [
        ({"exp": NOW + 1}, 0, NOW + 1),
        ({"exp": NOW + 0.5}, 0, NOW + 0.5),
        ({"exp": NOW - 9}, 10, NOW + 1),
        ({"nbf": NOW, "iat": NOW}, 0, None),
        ({"nbf": NOW + 10, "iat": NOW + 10}, 10, None),
        ({"nbf": 0, "iat": 0}, 0, None),
        ({}, 0, None),
    ],
)
def test_within_its_times_it_is_good_until_its_end_and_the_leeway(
    claims: dict[str, Any], leeway: float, end: float | None
) -> None:
    assert times(claims, leeway=leeway) == end


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", [str(NOW + 60), None, True, False, [NOW + 60], {}, "", float("inf"), 10**400])
def test_a_time_is_a_number(name: str, value: Any) -> None:
    with pytest.raises(TokenError, match=f"{name} is no time"):
        times({"exp": NOW + 60, name: value})


def test_an_end_may_be_required() -> None:
    with pytest.raises(TokenError, match="no exp"):
        times({"iat": NOW}, require_exp=True)
    assert times({"exp": NOW + 1}, require_exp=True) == NOW + 1


@pytest.mark.parametrize("aud", ["orders", ["orders"], ["other", "orders"], [1, None, "orders"]])
def test_one_of_the_audiences_must_be_meant(aud: Any) -> None:
    check_audience({"aud": aud}, {"orders", "invoices"})


@pytest.mark.parametrize("aud", ["Orders", "orders ", "", "ord", [], ["other"], [["orders"]], {"orders": 1}, None, 1])
def test_a_token_for_somebody_else_is_bad(aud: Any) -> None:
    with pytest.raises(TokenError, match="somebody else"):
        check_audience({"aud": aud}, {"orders"})


def test_where_there_are_audiences_a_token_for_nobody_is_bad() -> None:
    with pytest.raises(TokenError, match="somebody else"):
        check_audience({}, {"orders"})


@pytest.mark.parametrize("aud", ["orders", [], None, ""])
def test_where_there_are_none_a_token_for_anybody_is_bad(aud: Any) -> None:
    with pytest.raises(TokenError, match="somebody else"):
        check_audience({"aud": aud}, set())
    check_audience({}, set())


@pytest.mark.parametrize("claims", [{}, {"iss": 1}, {"iss": None}, {"iss": ["a"]}, {"iss": "a", "sub": 1}])
def test_issuer_and_subject_are_text(claims: dict[str, Any]) -> None:
    with pytest.raises(TokenError, match="must be text"):
        Token.parse(Signer("HS256").token(claims))
    assert Token.parse(Signer("HS256").token({"iss": "a"})).issuer == "a"
