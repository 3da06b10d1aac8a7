"""The types of single values of services, upstreams and targets."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator

from outrider.config.field_types import PROTOCOLS, is_address, is_host_name, refusal
from outrider.config.mistake import shown

_HEALTH_PATH = re.compile(r"/[!-~]*")
_COOKIE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 6265, section 4.1.1
_OTHER_PROTOCOLS = {
    "ws": "write http, which carries WebSockets too",
    "wss": "write https, which carries WebSockets too",
    "tls": "write https, or leave the service to a proxy for TCP",
    "tls_passthrough": "write https, or leave the service to a proxy for TCP",
    "tcp": "leave the service to a proxy for TCP",
    "udp": "leave the service to a proxy for UDP",
}


def split_host(text: str) -> tuple[str, int | None]:
    """The host and the port of HOST, HOST:PORT, an IPv6 address, or one in brackets; 0 stands for a bad port."""
    if is_address(text):
        return text.lower(), None
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return _bare(text), None
    return _bare(host), int(port) if _is_port(port) else 0


def _bare(host: str) -> str:
    inside = host[1:-1]
    return inside.lower() if host == f"[{inside}]" and ":" in inside else host.lower()


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 1 <= int(text[:6]) <= 65535


def _host_and_port(value: str, example: str) -> str:
    host, port = split_host(value)
    if "/" in value or not (is_address(host) or is_host_name(host)):
        raise refusal(f"{shown(value)} is no host or address", f"write it as in {example}")
    if port == 0:
        raise refusal(f"{shown(value)} has no port from 1 to 65535", f"write it as in {example}")
    return value


def _target(value: str) -> str:
    return _host_and_port(value, "10.0.0.1:8000")


def _host_header(value: str) -> str:
    return _host_and_port(value, "orders.example")


def _upstream_name(value: str) -> str:
    if is_address(value) or not is_host_name(value.lower()):
        raise refusal(f"{shown(value)} is no host name", "write a name without a port, as in orders.internal")
    return value.lower()


def _protocol(value: Any) -> Any:
    if isinstance(value, str) and value not in PROTOCOLS:
        remedy = _OTHER_PROTOCOLS.get(value, "write http, https, grpc or grpcs")
        raise refusal(f"{shown(value)} is no protocol that is served", remedy)
    return value


def _health_path(value: str) -> str:
    if not _HEALTH_PATH.fullmatch(value):
        raise refusal(f"{shown(value)} is no path", "begin it with a slash, and escape what is no plain character")
    return value


def _cookie(value: str) -> str:
    if not _COOKIE.fullmatch(value):
        raise refusal(f"{shown(value)} is no cookie's name", "use letters, digits and . _ ~ -")
    return value


def _algorithm(value: Any) -> Any:
    if value == "latency":
        raise refusal(f"{shown(value)} is Kong's alone", "write least-connections")
    return value


def _no_srv(value: Any) -> Any:
    if value is True:
        raise refusal(
            "needs SRV records, which are not read", "set it to false, and list the targets with their ports"
        )
    return value


Protocol = Annotated[Literal["http", "https", "grpc", "grpcs"], BeforeValidator(_protocol)]
UpstreamName = Annotated[str, AfterValidator(_upstream_name)]
TargetAddress = Annotated[str, AfterValidator(_target)]
HostHeader = Annotated[str, AfterValidator(_host_header)]
PlainPath = Annotated[str, AfterValidator(_health_path)]
CookieName = Annotated[str, AfterValidator(_cookie)]
HashKind = Literal["none", "consumer", "ip", "header", "cookie", "path", "query_arg", "uri_capture"]
Algorithm = Annotated[
    Literal["round-robin", "least-connections", "consistent-hashing"],
    BeforeValidator(_algorithm),
]
NoSrv = Annotated[bool, BeforeValidator(_no_srv)]
