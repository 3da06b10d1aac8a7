"""Addresses that issuers are asked at, and what they say about where their keys are."""

import asyncio
import json
from typing import Any

import pytest

from outrider_plugins.issuer_address import check_url, discovered_keys


@pytest.mark.parametrize(
    "url",
    [
        *("https://issuer.example/jwks", "https://issuer.example", "https://192.0.2.1:8443/a?b=c"),
        *("http://127.0.0.1:9001/jwks", "http://127.1.2.3/", "http://[::1]:80/", "http://localhost/", "HTTPS://a.b/"),
    ],
)
def test_answers_are_believed_over_https_or_from_loopback(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://issuer.example/jwks", "must be https"),
        ("http://192.0.2.1/", "must be https"),
        ("http://10.0.0.1/", "must be https"),
        ("http://0.0.0.0/", "must be https"),
        ("http://127.0.0.1.example/", "must be https"),
        ("http://localhost.example/", "must be https"),
        ("http://[::]/", "must be https"),
        ("http://2130706433/", "must be https"),
        ("file:///etc/passwd", "must be https"),
        ("ftp://127.0.0.1/", "must be https"),
        ("https:///jwks", "must be https"),
        ("https://", "must be https"),
        ("https://user:hunter2@issuer.example/", "without a user"),
        ("http://127.0.0.1@issuer.example/", "without a user"),
        ("https://issuer.example/#a", "fragment"),
        ("https://issuer.example/a b", "is no address"),
        ("https://issuer.example/\r\nx: y", "is no address"),
        ("https://issuer.example:0/", "is no address"),
        ("https://issuer.example:99999/", "is no address"),
        ("https://issuer.example:abc/", "is no address"),
        ("https://[::1/", "is no address"),
        ("https://é.example/", "is no address"),
    ],
)
def test_any_other_address_is_refused_without_showing_it(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        check_url(url)
    assert "hunter2" not in str(caught.value)


def discover(issuer: str, document: Any) -> tuple[str, list[str]]:
    asked: list[str] = []

    async def fetch(url: str) -> bytes:
        asked.append(url)
        return document if isinstance(document, bytes) else json.dumps(document).encode()

    return asyncio.run(discovered_keys(issuer, fetch)), asked


@pytest.mark.parametrize(
    ("issuer", "asked"),
    [
        ("https://issuer.example", "https://issuer.example/.well-known/openid-configuration"),
        ("https://issuer.example/", "https://issuer.example/.well-known/openid-configuration"),
        ("https://issuer.example/realm/a", "https://issuer.example/realm/a/.well-known/openid-configuration"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/.well-known/openid-configuration"),
    ],
)
def test_an_issuer_is_asked_where_its_keys_are(issuer: str, asked: str) -> None:
    keys = "https://keys.example/jwks?v=1"
    assert discover(issuer, {"issuer": issuer, "jwks_uri": keys, "other": []}) == (keys, [asked])


ISSUER = "https://issuer.example"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"<html>", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        ([], "no JSON object"),
        ({}, "another issuer"),
        ({"issuer": f"{ISSUER}/", "jwks_uri": f"{ISSUER}/jwks"}, "another issuer"),
        ({"issuer": "https://evil.example", "jwks_uri": f"{ISSUER}/jwks"}, "another issuer"),
        ({"issuer": ISSUER}, "no jwks_uri"),
        ({"issuer": ISSUER, "jwks_uri": ["https://keys.example"]}, "no jwks_uri"),
        ({"issuer": ISSUER, "jwks_uri": "http://keys.example/"}, "not https"),
        ({"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"}, "not https"),
        ({"issuer": ISSUER, "jwks_uri": "https://hunter2@keys.example/"}, "not https"),
        ({"issuer": ISSUER, "jwks_uri": "http://127.0.0.1/latest/meta-data"}, "on this machine"),
        ({"issuer": ISSUER, "jwks_uri": "HTTP://127.0.0.1/latest/meta-data"}, "on this machine"),
    ],
)
def test_an_answer_that_lies_or_leads_astray_is_not_believed(document: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        discover(ISSUER, document)
    assert "hunter2" not in str(caught.value)
