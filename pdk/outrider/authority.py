"""Host and port of an authority (RFC 3986, section 3.2)."""

import re

_PORT = re.compile(r"[0-9]{1,5}")


def split_authority(authority: str) -> tuple[str, int | None]:
    """Host (lower-case, IPv6 without brackets) and port."""
    host, port = authority, ""
    if authority.startswith("["):
        host, _, rest = authority[1:].partition("]")
        port = rest.removeprefix(":")
    elif authority.count(":") == 1:
        host, _, port = authority.partition(":")
    # A trailing dot names the same host (RFC 3986, section 3.2.2).
    return host.lower().removesuffix("."), int(port) if _PORT.fullmatch(port) else None
