"""The method and the path that upstream gets in place of those that downstream sent."""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from outrider.errors import ReplyError

METHODS: Final = frozenset(
    (
        *("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"),
        *("COPY", "LOCK", "MKCOL", "MOVE", "PROPFIND", "PROPPATCH", "UNLOCK"),
    )
)
"""What a request may become: the methods that every gateway sends, but for HEAD, whose answer has no body."""

# RFC 3986, section 3.3, and what all servers take beside it; escapes are whole.
_PATH = re.compile(r"/(?!/)(?:[!-\x22$&->@-~]|%[0-9A-Fa-f]{2})*")
_SLASH = re.compile(rb"[/\\]")


def checked_method(method: str, sent: str) -> str:
    """The method for upstream of a request that came with `sent`; raises `ReplyError` if it can't become that."""
    if sent in ("HEAD", "CONNECT"):
        raise ReplyError(f"a {sent} request can't become another: its answer has another form")
    if method not in METHODS:
        raise ReplyError(f"no request can become a {method[:20]!r}: choose from {', '.join(sorted(METHODS))}")
    return method


def checked_path(path: str) -> str:
    """The raw path for upstream. Raises `ReplyError` for what is none, or leads above where the service begins."""
    if not _PATH.fullmatch(path):
        raise ReplyError("the path for upstream must begin with one / and be percent-encoded: use urllib.parse.quote")
    # Some servers resolve the escapes first, and take a backslash for a slash.
    segments = _SLASH.split(unquote_to_bytes(path))
    if any(segment.partition(b";")[0] in (b".", b"..") for segment in segments) or (not segments[1] and segments[2:]):
        raise ReplyError("the path for upstream has a segment of dots, which leads elsewhere: take it out")
    return path
