"""Several auth plugins on one route behind each gateway: a cut of the table in tests/plugins/test_combining.py."""

from collections.abc import Iterator

import pytest

from harness.combined import (
    AUTHS,
    CREDENTIALS,
    MODES,
    SPOOFED,
    Show,
    Shown,
    expected,
    headers,
    may_go_upstream,
    route,
)
from harness.http1 import Message
from harness.outrider import Outrider
from harness.upstream import Upstream

GOOD: Shown = {"jwt-auth": "ada", "key-auth": "ben", "basic-auth": "ada"}
"""Credentials of two consumers in one request."""
TOLD = {*SPOOFED, "x-plan"} - {"x-consumer-id"}


def cut() -> Iterator[Shown]:
    """Each of good, bad and absent for each plugin, and all of the other consumer's."""
    yield dict.fromkeys(AUTHS, "ben")
    shows: list[tuple[Show, ...]] = [(GOOD[name], "bad", "absent") for name in AUTHS]
    for by_token in shows[0]:
        for by_key in shows[1]:
            for by_password in shows[2]:
                yield {"jwt-auth": by_token, "key-auth": by_key, "basic-auth": by_password}


def leaked(request: Message) -> set[str]:
    """The credentials that upstream got, wherever they stand."""
    everything = repr(request)
    return {one for kind in CREDENTIALS.values() for one in kind.values() if one in everything}


@pytest.mark.parametrize("mode", MODES)
def test_who_is_let_in_as_whom_and_with_which_credentials(gateway: Outrider, upstream: Upstream, mode: str) -> None:
    for shown in cut():
        upstream.reset()
        wanted = expected(mode, shown)
        response = gateway.request(f"/{route(mode)}", *headers(shown))
        assert response.status == wanted.status, shown
        assert all(one in (response.get("www-authenticate") or "") for one in wanted.challenges), shown
        assert len(upstream.requests) == (wanted.told is not None), shown
        for request in upstream.requests:
            assert {name: value for name, value in request.headers if name in TOLD} == wanted.told, shown
            assert leaked(request) == may_go_upstream(shown), shown
            assert "spoofed" not in dict(request.headers).values(), shown


def authorization(kind: str, show: Show) -> tuple[str, str]:
    credential = CREDENTIALS[kind][show]
    return "authorization", f"Bearer {credential}" if kind == "jwt-auth" else credential


@pytest.mark.parametrize(
    ("kind", "show", "by"),
    [
        ("jwt-auth", "ada", "ada-jwt-auth"),
        ("basic-auth", "ada", "ada-basic-auth"),
        ("jwt-auth", "bad", None),
        ("basic-auth", "bad", None),
    ],
)
def test_tokens_and_passwords_can_share_a_header(
    gateway: Outrider, upstream: Upstream, kind: str, show: Show, by: str | None
) -> None:
    sent = authorization(kind, show)
    assert gateway.request("/sharing-any", sent, *SPOOFED.items()).status == (200 if by else 401)
    assert [request.get("x-credential-identifier") for request in upstream.requests] == [by] * bool(by)
    key = ("x-api-key", CREDENTIALS["key-auth"]["ben"])
    assert gateway.request("/sharing-any", sent, key, *SPOOFED.items()).status == 200
    last = upstream.requests[-1]
    taken = by if kind == "jwt-auth" and by else "ben-key-auth"
    assert (last.get("x-credential-identifier"), last.get("x-api-key")) == (taken, None)
    assert last.all("authorization") == ([sent[1]] if taken == "ada-jwt-auth" else [])


def test_both_of_them_in_one_request_are_refused_and_go_nowhere(gateway: Outrider, upstream: Upstream) -> None:
    token, password = authorization("jwt-auth", "ada"), authorization("basic-auth", "ada")
    joined = ("authorization", f"{token[1]}, {password[1]}")
    for sent in ([token, password], [password, token], [joined]):
        # 400 by nginx, which takes no second one.
        assert gateway.request("/sharing-any", *sent).status in (400, 401)
        assert gateway.request("/sharing-strangers", *sent).status in (200, 400)
    assert {tuple(request.all("authorization")) for request in upstream.requests} == {()}
