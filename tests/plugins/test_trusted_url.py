"""Addresses that are believed, and those that are not."""

import pytest

from outrider_plugins.trusted_url import check_url


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
