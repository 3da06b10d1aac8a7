"""The hosts that a route names: whole, or with a wildcard for the first or last labels, with or without a port."""

from collections.abc import Iterator
from typing import NamedTuple


class HostPattern(NamedTuple):
    """One of them. `*.example.com` also stands for `a.b.example.com`, and `example.*` for `example.co.uk`."""

    name: str
    """In lower case: the whole host, `.example.com`, or `example.`."""
    port: int | None

    @classmethod
    def read(cls, text: str) -> "HostPattern":
        host, colon, port = text.partition(":")
        return cls(host.strip("*").lower(), int(port) if colon else None)

    @property
    def wild(self) -> bool:
        """Whether it stands for many hosts."""
        return self.name.startswith(".") or self.name.endswith(".")

    def matches(self, host: str, port: int) -> bool:
        """Whether a request is for it: `host` in lower case, `port` that of the host, else that of the listener."""
        return self.port in (None, port) and self.name in names_for(host)


def names_for(host: str) -> Iterator[str]:
    """All names of patterns that a host meets."""
    yield host
    at = host.find(".")
    while at >= 0:
        yield host[at:]
        yield host[: at + 1]
        at = host.find(".", at + 1)
