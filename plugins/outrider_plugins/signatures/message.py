"""A request as whoever signed it saw it (RFC 9421, section 2)."""

from collections.abc import Iterator

from outrider import Request

_NO_AUTHORITY = frozenset("@/?#\\ ")
_LONGEST = 8 * 1024


class UnsignableError(ValueError):
    """A request whose parts can't be told apart, so that nobody can have signed them."""


class Fields:
    """The header fields as bytes in Latin-1, each line by itself, as Structured Fields want them."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def items(self) -> Iterator[tuple[str, str]]:
        """All lines, and the host, which a request keeps apart from its fields."""
        yield "host", self._request.authority
        for name, value in self._request.headers.fields():
            yield name, value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("latin-1")


class Message:
    """What the library reads of a request. Raises `UnsignableError`."""

    def __init__(self, request: Request) -> None:
        authority, target = request.authority, request.target
        # In a URL these would begin another part of it, or be left out.
        if not authority or not _NO_AUTHORITY.isdisjoint(authority) or target[:1] != "/" or "#" in target:
            raise UnsignableError
        self.method = request.method
        self.url = f"{request.scheme}://{authority}{target}"
        self.headers = Fields(request)


def signature_input(request: Request) -> str | None:
    """What the signatures of a request cover; None where it has none. Raises `UnsignableError`."""
    given, signatures = request.headers.get("signature-input"), request.headers.get("signature")
    if given is None and signatures is None:
        return None
    if given is None or signatures is None or max(len(given), len(signatures)) > _LONGEST:
        raise UnsignableError
    return given
