"""basic-auth behind each gateway."""

import base64
import json
import select
import socket
from contextlib import ExitStack

import pytest

from harness import http1
from harness.outrider import Outrider
from harness.passwords import PASSWORD, STORED
from harness.sample import Protocol
from harness.upstream import Upstream

KNOWN = [name for name in STORED if name != "slow"]
CHALLENGE = 'Basic realm="outrider", charset="UTF-8"'


def basic(username: str, password: str) -> tuple[str, str]:
    return "authorization", "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


GOOD = basic("bcrypt", PASSWORD)[1]


def is_refused(response: http1.Message) -> bool:
    message = json.loads(response.body)["message"]
    return (response.status, response.get("www-authenticate"), message) == (401, CHALLENGE, "Unauthorized")


@pytest.mark.parametrize("username", KNOWN)
def test_a_good_password_tells_upstream_who_calls_and_stays_behind(
    gateway: Outrider, upstream: Upstream, username: str
) -> None:
    for _ in range(2):  # verified, and remembered
        assert gateway.request("/passwords", basic(username, PASSWORD)).status == 200
        sent = upstream.requests[-1]
        assert sent.get("x-consumer-username") == "users"
        assert sent.get("x-credential-identifier") == f"id-of-{username}"
        assert sent.get("authorization") is None


@pytest.mark.parametrize("username", KNOWN)
def test_a_wrong_password_is_refused(gateway: Outrider, upstream: Upstream, username: str) -> None:
    for password in ("", "wrong", PASSWORD + " ", STORED[username] if STORED[username] != PASSWORD else "x"):
        assert is_refused(gateway.request("/passwords", basic(username, password)))
    assert not upstream.requests


@pytest.mark.parametrize(
    "headers", [[], [basic("nobody", PASSWORD)], [basic("slow", PASSWORD)], [("authorization", "Bearer x")]]
)
def test_who_is_not_in_the_file_or_sends_nothing_is_refused(
    gateway: Outrider, upstream: Upstream, headers: list[tuple[str, str]]
) -> None:
    assert is_refused(gateway.request("/passwords", *headers))
    assert not upstream.requests


@pytest.mark.parametrize("other", [GOOD, "Bearer x"])
def test_two_credentials_are_refused(gateway: Outrider, upstream: Upstream, protocol: Protocol, other: str) -> None:
    response = gateway.request("/passwords", ("authorization", GOOD), ("authorization", other))
    # Kong refuses such a request itself.
    assert response.status == 400 if protocol == "kong" else is_refused(response)
    assert not upstream.requests


@pytest.mark.parametrize("malformed", [f"Bearer x, {GOOD}", f"{GOOD}, {GOOD}", f"{GOOD}=", GOOD.rstrip("=")])
def test_a_malformed_credential_is_refused_and_never_goes_upstream(
    gateway: Outrider, upstream: Upstream, malformed: str
) -> None:
    assert is_refused(gateway.request("/passwords", ("authorization", malformed)))
    assert not upstream.requests
    assert gateway.request("/password-or-guest", ("authorization", malformed)).status == 200
    assert upstream.request.get("x-consumer-username") == "guest"
    assert upstream.request.all("authorization") == []


def test_a_password_goes_upstream_only_where_it_is_good_and_hide_is_off(
    gateway: Outrider, upstream: Upstream
) -> None:
    good, bad = basic("argon2id", PASSWORD), basic("argon2id", "wrong")
    assert gateway.request("/shown-passwords", good).status == 200
    assert gateway.request("/password-or-guest", bad).status == 200
    shown, hidden = upstream.requests
    assert shown.get("authorization") == good[1]
    assert hidden.get("x-anonymous-consumer") == "true"
    assert hidden.get("authorization") is None


def test_other_requests_are_answered_while_passwords_are_hashed(gateway: Outrider) -> None:
    with ExitStack() as stack:
        # As many as keep both threads of both workers at work for longer than the others take.
        hashing = [stack.enter_context(_asked(gateway, basic("slow", f"guess {number}"))) for number in range(10)]
        for _ in range(2):
            assert gateway.request("/orders", ("x-api-key", "alice-key")).status == 200
            assert gateway.request("/passwords", basic("in-clear", PASSWORD)).status == 200
        answered, _, _ = select.select(hashing, [], [], 0)
        assert len(answered) < len(hashing)
        for connection in hashing:
            with connection.makefile("rb") as stream:
                response = http1.read(stream)
            assert response
            assert is_refused(response)


def _asked(gateway: Outrider, credential: tuple[str, str]) -> socket.socket:
    connection = http1.connect(gateway.port)
    connection.sendall(f"GET /passwords HTTP/1.1\r\nhost: a\r\n{': '.join(credential)}\r\n\r\n".encode())
    return connection
