"""What nginx refuses a request with by itself, before any plugin."""

from collections.abc import Sequence

import h11

from outrider_kong.stand_in.uri import ENCODED

# nginx's large_client_header_buffers; no line may be longer than one of them.
BUFFERS, BUFFER = 4, 8192
# Of which nginx takes no second one.
SINGLE = frozenset(
    b"host if-modified-since if-unmodified-since if-match if-none-match content-range if-range transfer-encoding"
    b" expect authorization content-length".split()
)


def refusal(event: h11.Request) -> int:
    """The status of the refusal, 494 for headers that are too large; 0 where it goes on."""
    if event.method == b"CONNECT":
        return 405
    if len(event.target) > BUFFER:
        return 414
    longest = max((len(name) + len(value) for name, value in event.headers), default=0)
    if longest > BUFFER or size(event) > BUFFERS * BUFFER:
        return 494
    names = [name for name, _ in event.headers if name in SINGLE]
    return 0 if _is_framed(event, names) and _is_path(path_of(event.target)[1]) else 400


def size(event: h11.Request) -> int:
    """The bytes of the head."""
    line = len(event.method) + len(event.target) + len(b"  HTTP/1.1\r\n")
    return line + sum(len(name) + len(value) + 4 for name, value in event.headers) + 2


def path_of(target: bytes) -> tuple[bytes, bytes]:
    """The authority that a whole URI names, and the path with its query."""
    scheme, mark, rest = target.partition(b"://")
    if not mark or not scheme.isalpha():
        return b"", target
    authority, slash, path = rest.partition(b"/")
    return authority, slash + path or b"/"


def _is_framed(event: h11.Request, names: Sequence[bytes]) -> bool:
    """Whether host and framing are said once and well."""
    headers = dict(event.headers)
    both = {b"content-length", b"transfer-encoding"}
    return len(names) == len(set(names)) and not both <= set(names) and headers.get(b"host") != b""


def _is_path(target: bytes) -> bool:
    """Whether it begins at the root and never climbs above it."""
    path = ENCODED.sub(lambda match: bytes([int(match[1], 16)]), target.partition(b"?")[0])
    depth = 0
    for segment in path.split(b"/"):
        depth += {b"": 0, b".": 0, b"..": -1}.get(segment, 1)
        if depth < 0:
            return False
    return path.startswith(b"/") and b"\0" not in path
