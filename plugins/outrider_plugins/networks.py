"""Ranges of IP addresses in a configuration, and whether a client is in one of them."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

_MAPPED = 96  # bits before the IPv4 address in an IPv4-mapped one (RFC 4291, section 2.5.5.2)


_RANGE = re.compile(r"[0-9A-Fa-f:.]+(/[0-9]{1,3})?")  # no zones, no netmasks


def _no_range(value: object) -> ValueError:
    return ValueError(f"{value!r} is no address range: write it as in 10.0.0.0/8 or 2001:db8::/32")


def _network(value: object) -> IPv4Network | IPv6Network:
    """An address or a range; an IPv4-mapped one as the IPv4 one that it stands for."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    if not isinstance(value, str) or not _RANGE.fullmatch(value):
        raise _no_range(value)
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        raise _no_range(value) from None
    if "/" in value and network.network_address != ip_address(value.partition("/")[0]):
        raise ValueError(f"{value!r} has bits set behind its prefix: write {network}, or the address alone")
    if isinstance(network, IPv6Network) and network.prefixlen >= _MAPPED and network.network_address.ipv4_mapped:
        return ip_network(f"{network.network_address.ipv4_mapped}/{network.prefixlen - _MAPPED}")
    return network


Network = Annotated[
    IPv4Network | IPv6Network,
    BeforeValidator(_network),
    PlainSerializer(str),
    WithJsonSchema({"type": "string"}),
]
Networks = Annotated[Sequence[Network], Field(min_length=1)]


class Ranges:
    """Addresses and ranges of both versions; a look-up tries each length of prefix once, however many there are."""

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network]) -> None:
        self._prefixes: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
        for network in networks:
            host_bits = network.max_prefixlen - network.prefixlen
            prefixes = self._prefixes[network.version].setdefault(host_bits, set())
            prefixes.add(int(network.network_address) >> host_bits)

    def __contains__(self, address: IPv4Address | IPv6Address) -> bool:
        number = int(address)
        return any(number >> bits in prefixes for bits, prefixes in self._prefixes[address.version].items())


def client_address(text: str) -> IPv4Address | IPv6Address | None:
    """An address as a gateway tells it; None for what is none, such as the path of a unix socket."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address
