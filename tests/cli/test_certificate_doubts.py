"""What is worth a word of certificates: handshakes that will fail."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from harness.authority import Authority, Signed
from outrider import discovery
from outrider.config import build
from outrider.config.document import parse
from outrider_cli.doubts import doubts

AUTHORITY = Authority()
YEAR = timedelta(days=365)


def said(signed: Signed, *names: str, tls: str = "{}") -> list[str]:
    snis = json.dumps([{"name": name} for name in names])
    cert, key = json.dumps(signed.cert_pem), json.dumps(signed.key_pem)
    text = f"""_format_version: "3.0"
gateway: {{tls: {tls}}}
certificates: [{{id: one, cert: {cert}, key: {key}, snis: {snis}}}]
"""
    return doubts(build(parse(text, "file.yaml", Path()), discovery.installed()))


@pytest.mark.parametrize(
    ("end", "words"),
    [(timedelta(minutes=-1), "has expired on"), (timedelta(days=13), "expires on"), (YEAR, None)],
)
def test_the_end_of_a_certificate_is_told_in_time(end: timedelta, words: str | None) -> None:
    warnings = said(AUTHORITY.sign("one.example", end=end), "one.example")
    assert [f"file.yaml:3: certificate one: warning: {words}" in one for one in warnings] == ([True] if words else [])


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("one.example", True),
        ("*.wild.example", True),
        ("a.wild.example", True),
        ("*", True),
        ("wild.example", False),
        ("a.b.wild.example", False),
        ("*.one.example", False),
    ],
)
def test_a_server_name_that_it_is_not_for_is_told(name: str, *, covered: bool) -> None:
    warnings = said(AUTHORITY.sign("one.example", "*.wild.example", end=YEAR), name)
    words = f"is not for its server name {name}: take the name away, or another certificate"
    assert [words in one for one in warnings] == [True] * (not covered)


def test_names_without_a_listener_are_told() -> None:
    (warning,) = said(AUTHORITY.sign("one.example", end=YEAR), "one.example", tls="null")
    assert "has server names, and the gateway speaks no TLS: set gateway.tls" in warning
