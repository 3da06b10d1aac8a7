"""The types of single values of routes, each with its own words for what is wrong."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from outrider.config.field_types import is_address, is_host_name, refusal
from outrider.config.mistake import shown
from outrider.plain_path import plain_path, wire_path
from outrider.regex import RegexError, header_regex, path_regex

_BROKEN = re.compile("%(?![0-9A-Fa-f]{2})")
_SLASHES = re.compile(r"%(2f|5c)", re.IGNORECASE)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_OTHER_PROTOCOLS = {
    "ws": "write http, which carries WebSockets too",
    "wss": "write https, which carries WebSockets too",
    "tcp": "leave it to a proxy for TCP",
    "tls": "leave it to a proxy for TCP",
    "tls_passthrough": "leave it to a proxy for TCP",
    "udp": "leave it to a proxy for UDP",
}


def _host(value: str) -> str:
    host, colon, port = value.lower().partition(":")
    if colon and not (port.isascii() and port.isdecimal() and 1 <= int(port[:6]) <= 65535):
        raise refusal(f"{shown(value)} has no port from 1 to 65535", "write it as in orders.example:8443")
    return _name(value, host) + colon + port


def _sni(value: str) -> str:
    if ":" in value or is_address(value):
        raise refusal(f"{shown(value)} is no server name", "write a name without a port, as in orders.example")
    return _name(value, value.lower().removesuffix("."))


def _name(value: str, host: str) -> str:
    bare = host.removeprefix("*.") if host.startswith("*.") else host.removesuffix(".*")
    if "*" in bare:
        raise refusal(
            f"{shown(value)}: a wildcard is the whole first or last label", "write *.example.com or example.*"
        )
    if not is_host_name(bare):
        raise refusal(f"{shown(value)} is no host name", "write it as in orders.example")
    return host


def _path(value: str) -> str:
    if value.startswith("~"):
        return _regex(value)
    if not value.startswith("/"):
        raise refusal(f"{shown(value)} does not begin with a slash", f"write {shown('/' + value)}")
    if "?" in value or "#" in value:
        raise refusal(f"{shown(value)} has a query or a fragment", "keep only what stands before ? and #")
    if "\\" in value or _SLASHES.search(value):
        raise refusal(f"{shown(value)} has a slash that the gateway refuses", "use plain slashes")
    if _BROKEN.search(value) or not value.isprintable():
        raise refusal(f"{shown(value)} has characters that no path has", "escape them as %XX of their UTF-8 bytes")
    normal = wire_path(value)
    if value not in (normal, _plain(value, normal)):
        raise refusal(f"{shown(value)} is not normalised, so no request would match", f"write {shown(normal)}")
    return normal


def _plain(value: str, normal: str) -> str:
    try:
        return plain_path(normal)
    except UnicodeDecodeError:
        raise refusal(f"{shown(value)} has escapes that are no UTF-8", "write the characters themselves") from None


def _regex(value: str) -> str:
    if "//" in value:
        raise refusal(
            f"{shown(value)} has an empty segment, and every path that is compared has none", "remove a slash"
        )
    try:
        path_regex(value[1:])
    except RegexError as error:
        raise refusal(f"{shown(value)} {error.what}", error.remedy) from None
    return value


def _method(value: str) -> str:
    if not re.fullmatch(r"[A-Z]+", value):
        raise refusal(f"{shown(value)} is no method", "write it in capitals, as in GET")
    return value


def _protocol(value: Any) -> Any:
    if isinstance(value, str) and value in _OTHER_PROTOCOLS:
        raise refusal(f"{shown(value)} is no HTTP", _OTHER_PROTOCOLS[value])
    if value not in ("http", "https", "grpc", "grpcs"):
        raise refusal(f"{shown(value)} is no choice here", "choose http and https, or grpc and grpcs")
    return value


def _header_name(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise refusal(f"{shown(value)} is no header's name", "write it as in x-version")
    if value.lower() == "host":
        raise refusal("is a condition on the host", "write it under hosts")
    return value.lower()


def _header_value(value: str) -> str:
    if value.startswith("~*"):
        try:
            header_regex(value[2:])
        except RegexError as error:
            raise refusal(f"{shown(value)} {error.what}", error.remedy) from None
    elif not re.fullmatch(r"[!-~]([ -~]*[!-~])?", value):
        raise refusal(
            f"{shown(value)} is no header's value", "write plain ASCII characters, with no space around them"
        )
    return value


def _redirect(value: Any) -> Any:
    if value not in (426, 301, 302, 307, 308):
        raise refusal(f"{shown(value)} is no choice here", "choose 426, 301, 302, 307 or 308")
    return value


def _path_handling(value: Any) -> Any:
    if value != "v0":
        raise refusal(f"{shown(value)} is not how Kong's default router joins paths", 'write "v0"')
    return value


RouteHost = Annotated[str, AfterValidator(_host)]
RouteSni = Annotated[str, AfterValidator(_sni)]
RoutePath = Annotated[str, AfterValidator(_path)]
Method = Annotated[str, AfterValidator(_method)]
RouteProtocol = Annotated[Literal["http", "https", "grpc", "grpcs"], BeforeValidator(_protocol)]
RouteHeader = Annotated[str, AfterValidator(_header_name)]
RouteHeaderValues = Annotated[list[Annotated[str, AfterValidator(_header_value)]], Field(min_length=1)]
RegexPriority = Annotated[int, Field(ge=0, le=2**31 - 1)]
RedirectStatus = Annotated[Literal[426, 301, 302, 307, 308], BeforeValidator(_redirect)]
PathHandling = Annotated[Literal["v0"], BeforeValidator(_path_handling)]
