"""What has a count of its own: the field `by` of the plugins that count, and the key that a request has by it."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from outrider import Request
from outrider.headers import header_name
from outrider_plugins.members import member

_LONGEST = 256  # characters of a key; of a longer one a digest takes its place, since keys are remembered
_NAMED = ("header:NAME", "claim:NAME")

Read = Callable[[Request], str]


def _known(by: str | Sequence[str]) -> str | Sequence[str]:
    if not by:
        raise ValueError("is empty: say what to count by")
    for key in [by] if isinstance(by, str) else by:
        kind, _, name = key.partition(":")
        if kind == "header" and name:
            header_name(name)
        elif key not in _KINDS and not (kind == "claim" and name):
            raise ValueError(
                f"{key!r} is nothing to count by: use {', '.join((*_KINDS, *_NAMED))}, or a list of these"
            )
    return by


By = Annotated[str | Sequence[str], AfterValidator(_known)]
"""`consumer`, `credential`, `ip`, `header:NAME`, `claim:NAME`, `route`, `service`, or a list: every combination."""
PrefixLength = Annotated[int, Field(ge=1, le=128)]
WHOLE_NETWORK: Final = 64
"""The length of the prefix that one IPv6 customer usually has: whoever has one address of it has all of them."""


def key_reader(by: str | Sequence[str], scope: str, prefix: int = WHOLE_NETWORK) -> Callable[[Request], str]:
    """Reads the key of a request, which no choice of values makes look like another's.

    `scope` tells the counts of one place in the file from those of others; an IPv6 address counts as its network of
    `prefix` bits. Keys have at most 256 characters.
    """
    reads = [_reader(key, prefix) for key in ([by] if isinstance(by, str) else by)]
    begin = _part(scope)

    def read(request: Request) -> str:
        key = begin
        for part in reads:
            key += _part(part(request))
        return key if len(key) <= _LONGEST else _digest(key)

    return read


def _part(text: str) -> str:
    """A part of a key, with its length before it."""
    return f"{len(text)}:{text}"


def _digest(key: str) -> str:
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _reader(key: str, prefix: int) -> Read:
    """What tells one caller from others, with its kind before it; where there is none, the address does."""
    kind, _, name = key.partition(":")

    def address(request: Request) -> str:
        return _network(request.client, prefix)

    def credential(request: Request) -> str:
        return address(request) if request.credential is None else f"credential {request.credential}"

    def consumer(request: Request) -> str:
        return f"consumer {request.consumer.id}" if request.consumer else credential(request)

    def given(request: Request, value: Any) -> str:
        return address(request) if value is None else f"value {value}"

    readers: dict[str, Read] = {
        "consumer": consumer,
        "credential": credential,
        "ip": address,
        "route": lambda request: f"route {request.route.name}",
        "service": lambda request: f"service {request.route.service}",
        "header": lambda request: given(request, request.headers.get(name)),
        "claim": lambda request: given(request, member(request.claims, name)),
    }
    return readers[kind]


_KINDS = ("consumer", "credential", "ip", "route", "service")


@lru_cache(maxsize=4096)
def _network(client: str, prefix: int) -> str:
    """The address, or of an IPv6 one its network."""
    if ":" not in client:
        return f"ip {client}"
    try:
        address = ip_address(client)
    except ValueError:
        return f"ip {client}"
    mapped = address.ipv4_mapped if address.version == 6 else None
    return f"ip {mapped or ip_network((int(address), prefix), strict=False).network_address}"
