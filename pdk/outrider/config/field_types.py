"""The types of single values in the file, each with its own words for what is wrong."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from outrider.config.mistake import shown
from outrider.paths import normal_path

_NAME = re.compile(r"[\w.~-]+")
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_PATH = re.compile(r"/([A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
PROTOCOLS = ("http", "https", "grpc", "grpcs")
"""How upstream can be spoken to."""
_SLASHES = re.compile(r"%(2f|5c)", re.IGNORECASE)


def refusal(what: str, remedy: str) -> PydanticCustomError:
    """The error of a validator: what is wrong, and what to do."""
    return PydanticCustomError("outrider", "{what}: {remedy}", {"what": what, "remedy": remedy})


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise refusal(f"{shown(value)} is no name", "use letters, digits and . _ ~ -")
    return value


def _path(value: str) -> str:
    if not value.startswith("/"):
        raise refusal(f"{shown(value)} does not begin with a slash", f"write {shown('/' + value)}")
    if "?" in value or "#" in value:
        raise refusal(f"{shown(value)} has a query or a fragment", "keep only what stands before ? and #")
    if not _PATH.fullmatch(value):
        raise refusal(f"{shown(value)} has characters that no path has", "escape them as %XX of their UTF-8 bytes")
    if _SLASHES.search(value):
        raise refusal(f"{shown(value)} has an escaped slash, which the gateway refuses", "use plain slashes")
    if (normal := normal_path(value)) != value:
        raise refusal(f"{shown(value)} is not normalised, so no request would match", f"write {shown(normal)}")
    return value


def _address(value: Any) -> Address:
    if isinstance(value, Address):
        return value
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not is_address(bare) or (":" in bare and bare == host):
        raise refusal(f"{shown(value)} is no address to listen on", "write IP:PORT, as in 127.0.0.1:8080")
    if not (port.isascii() and port.isdecimal() and 1 <= int(port[:6]) <= 65535):
        raise refusal(f"{shown(value)} has no port from 1 to 65535", "write IP:PORT, as in 127.0.0.1:8080")
    return Address(bare, int(port))


def is_address(text: str) -> bool:
    """Whether it is an IPv4 or IPv6 address."""
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def _network(value: Any) -> IPv4Network | IPv6Network:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        return ip_network(value if isinstance(value, str) else "", strict=False)
    except ValueError:
        raise refusal(f"{shown(value)} is no address range", "write it as in 10.0.0.0/8") from None


def is_host_name(text: str) -> bool:
    """Whether it could be a name in DNS, in lower case and with no port."""
    return bool(_HOST.fullmatch(text))


def _upstream_host(value: str) -> str:
    if not is_host_name(value.lower()) and not is_address(value):
        raise refusal(f"{shown(value)} is no host name or address", "write it as in orders.internal")
    return value.lower()


def _service_path(value: str) -> str:
    if value.startswith("~"):
        raise refusal(f"{shown(value)} is a regular expression, which only routes have", "write the path itself")
    return _path(value)


def _url(value: str) -> str:
    parts = _split(value)
    if parts.scheme not in PROTOCOLS:
        what = f"{_without_user(value)} has no protocol that is served"
        raise refusal(what, "begin it with http://, https://, grpc:// or grpcs://")
    if parts.username is not None or parts.password is not None:
        raise refusal("has a user or a password", "leave them out and set the header with request-transform")
    if not parts.hostname:
        raise refusal(f"{shown(value)} names no host", "write it as in http://orders.internal:9001")
    if parts.query or parts.fragment:
        raise refusal(f"{shown(value)} has a query or a fragment", "keep only what stands before ? and #")
    _upstream_host(parts.hostname)
    _service_path(parts.path or "/")
    return value


def _without_user(url: str) -> str:
    return "the url" if "@" in url else shown(url)  # what stands before an @ may be a password


def _split(value: str) -> SplitResult:
    try:
        valid = urlsplit(value).port != 0
    except ValueError:
        valid = False
    if not valid:
        raise refusal(f"{_without_user(value)} is no url", "write it as in http://orders.internal:9001")
    return urlsplit(value)


Name = Annotated[str, AfterValidator(_name)]
UpstreamHost = Annotated[str, AfterValidator(_upstream_host)]
ServicePath = Annotated[str, AfterValidator(_service_path)]
ServiceUrl = Annotated[str, AfterValidator(_url)]
Milliseconds = Annotated[int, Field(ge=1, le=2**31 - 2)]
Port = Annotated[int, Field(ge=1, le=65535)]
ListenAddress = Annotated[Address, PlainValidator(_address), PlainSerializer(str), WithJsonSchema({"type": "string"})]
Network = Annotated[
    IPv4Network | IPv6Network,
    PlainValidator(_network),
    PlainSerializer(str),
    WithJsonSchema({"type": "string"}),
]
