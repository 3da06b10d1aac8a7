"""What an issuer says about where its keys are."""

import asyncio
import json
from typing import Any

import pytest

from outrider_plugins.oidc_discovery import discovered_keys


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
