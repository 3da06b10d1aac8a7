"""Where an issuer is asked for its keys, or about its tokens: addresses that can be believed."""

import re
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from outrider_plugins.strict_json import json_object

Fetch = Callable[[str], Awaitable[bytes]]

_PRINTABLE = re.compile(r"[!-~]+")
_WELL_KNOWN = "/.well-known/openid-configuration"


def check_url(url: str) -> str:
    """An address that an answer can be believed from: https, or http on loopback. Raises `ValueError`."""
    parts = _parts(url)
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("must be an address without a user, a password and a fragment")
    if parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))):
        return url
    raise ValueError("must be https, or http to loopback only: anybody on the way could change what comes")


def public(url: str) -> str:
    """The address for logs, without what may hold a secret: user, password, query and fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


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


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if _PRINTABLE.fullmatch(url) and parts.port != 0:
            return parts
    except ValueError:
        pass
    raise ValueError("is no address")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
