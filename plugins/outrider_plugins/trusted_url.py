"""Addresses whose answers can be believed."""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

_PRINTABLE = re.compile(r"[!-~]+")


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
