"""Paths in their one normal form, so that a policy can't be walked around."""

import re
from functools import lru_cache

_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def _unescape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()


def normal_path(path: str) -> str:
    """`path` with unreserved characters unescaped, `.`, `..` and doubled slashes resolved (RFC 3986, section 6.2.2).

    Escaped slashes stay escaped. Envoy (normalize_path, merge_slashes) and Kong choose the route by this form.
    """
    # Long ones are not remembered: downstream chooses them, up to 60 KiB each.
    return _remembered(path) if len(path) <= 512 else _normalised(path)


def _normalised(path: str) -> str:
    kept: list[str] = []
    segments = _ESCAPE.sub(_unescape, path).split("/")
    for segment in segments[1:]:
        # With parameters too: some servers, and Envoy's own normalisation, read `..;x` as `..`.
        name = segment.partition(";")[0]
        if name == "..":
            kept = kept[:-1]
        elif segment and name != ".":
            kept.append(segment)
    trailing = "/" if kept and segments[-1] in ("", ".", "..") else ""
    return "/" + "/".join(kept) + trailing


_remembered = lru_cache(maxsize=1024)(_normalised)
