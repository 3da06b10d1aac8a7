"""What came of one request in a test."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from outrider.request import Request

Body = bytes | Sequence[bytes]
"""A body as a whole, or as the pieces in which it comes."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one request.

    `status`, `headers` and `body` are what downstream got, `chunks` the same body in the pieces in which it went on.
    `upstream` is the request as it went on, None if a plugin answered; `upstream_body` and `upstream_chunks` are the
    body that went with it. `aborted` says that the response was cut before its end. `error` is what the first plugin
    that failed raised, None if none did.
    """

    status: int
    headers: dict[str, str]
    chunks: tuple[bytes, ...]
    upstream: Request | None
    upstream_chunks: tuple[bytes, ...] = ()
    aborted: bool = False
    error: BaseException | None = None

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def upstream_body(self) -> bytes:
        return b"".join(self.upstream_chunks)


class PluginFault(Exception):  # noqa: N818 - what a plugin did, not what went wrong here
    """A fault behind a gateway, as the log tells it: the exception itself stayed in the worker."""


def joined(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Header fields by name; repeated ones joined by a comma (RFC 9110, section 5.2)."""
    together: dict[str, str] = {}
    for name, value in fields:
        together[name] = f"{together[name]}, {value}" if name in together else value
    return together


def whole(body: Body) -> bytes:
    """A body in one piece."""
    return body if isinstance(body, bytes) else b"".join(body)
