"""An issuer that says itself where its keys are (OpenID Connect Discovery 1.0)."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from outrider_plugins.strict_json import json_object
from outrider_plugins.trusted_url import check_url

Fetch = Callable[[str], Awaitable[bytes]]

_WELL_KNOWN = "/.well-known/openid-configuration"


def check_issuer(issuer: str) -> str:
    """An issuer whose own address says where its keys are. Raises `ValueError`."""
    if urlsplit(check_url(issuer)).query:
        raise ValueError("must be an address without a query (OpenID Connect Discovery, section 3)")
    return issuer


async def discovered_keys(issuer: str, fetch: Fetch) -> str:
    """The address of an issuer's keys, as it says itself (OpenID Connect Discovery 1.0, section 4).

    Raises `ValueError` for an answer that can't be believed, and what `fetch` raises.
    """
    document = json_object(await fetch(issuer.removesuffix("/") + _WELL_KNOWN))
    if document.get("issuer") != issuer:
        # Section 4.3: otherwise one issuer could hand out its keys as another's.
        raise ValueError("says that it is another issuer")
    keys = document.get("jwks_uri")
    if not isinstance(keys, str):
        raise ValueError("names no jwks_uri")
    try:
        check_url(keys)
    except ValueError:
        raise ValueError("names a jwks_uri that is not https") from None
    if urlsplit(keys).scheme != "https" and urlsplit(issuer).scheme == "https":
        # A stranger's answer must not make the worker ask servers of its own machine.
        raise ValueError("names a jwks_uri on this machine")
    return keys
