"""What the stand-in takes from kong.conf and from KONG_* variables."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from outrider_kong.stand_in.mistakes import MistakeError

UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
SIZES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


@dataclass(frozen=True, kw_only=True)
class ServerLines:
    """The lines of one name of pluginserver_names; a name without start_cmd is started by somebody else."""

    name: str
    socket: str
    query_cmd: str
    start_cmd: str | None = None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Kong's settings that have a meaning here, with Kong's defaults; times in seconds, sizes in bytes."""

    servers: tuple[ServerLines, ...] = ()
    plugins: tuple[str, ...] = ("bundled",)
    read_timeout: float = 60.0
    connect_timeout: float = 60.0
    pool_size: int = 256
    body_buffer: int = 8192
    max_request_headers: int = 100
    max_response_headers: int = 100
    trusted_ips: tuple[IPv4Network | IPv6Network, ...] = ()
    real_ip_header: str = "X-Real-IP"
    real_ip_recursive: bool = False
    error_default_type: str = "text/plain"
    respawn_after: float = 1.0


def read(conf: str, environ: Mapping[str, str]) -> Settings:
    """Reads kong.conf's text; variables win over lines, as in Kong."""
    values = dict(_lines(conf.splitlines()))
    values |= {key[5:].lower(): value for key, value in environ.items() if key.startswith("KONG_")}
    return Settings(
        servers=tuple(_server(name.lower(), values) for name in _list(values.get("pluginserver_names", ""))),
        plugins=tuple(_list(values.get("plugins", "bundled"))),
        read_timeout=_time(_nginx(values, "lua_socket_read_timeout", "60s")),
        connect_timeout=_time(_nginx(values, "lua_socket_connect_timeout", "60s")),
        pool_size=int(values.get("lua_socket_pool_size", "256")),
        body_buffer=_size(_nginx(values, "client_body_buffer_size", "8k")),
        max_request_headers=int(values.get("lua_max_req_headers", "100")),
        max_response_headers=int(values.get("lua_max_resp_headers", "100")),
        trusted_ips=tuple(_network(text) for text in _list(values.get("trusted_ips", ""))),
        real_ip_header=_nginx(values, "real_ip_header", "X-Real-IP"),
        error_default_type=values.get("error_default_type", "text/plain"),
        real_ip_recursive=_nginx(values, "real_ip_recursive", "off") == "on",
    )


def _lines(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        content = re.sub(r"(^|\s)#.*", "", line).strip()
        if not content:
            continue
        key, equals, value = content.partition("=")
        if not equals:
            raise MistakeError(f"kong.conf: {content!r} is not a line of the form name = value.")
        yield key.strip().lower(), value.strip()


def _nginx(values: Mapping[str, str], name: str, default: str) -> str:
    for key in (f"nginx_http_{name}", f"nginx_proxy_{name}", name):
        if key in values:
            return values[key].strip("'\"")
    return default


def _list(text: str) -> list[str]:
    items = [item.strip() for item in text.split(",")]
    return [item for item in items if item and item != "off"]


def _time(text: str) -> float:
    match = re.fullmatch(r"(\d+)(ms|s|m|h|)", text)
    if match is None:
        raise MistakeError(f"kong.conf: {text!r} is not a time such as 60s or 500ms.")
    return int(match[1]) * UNITS[match[2]]


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+)([kmg]?)", text.lower())
    if match is None:
        raise MistakeError(f"kong.conf: {text!r} is not a size such as 8k or 5m.")
    return int(match[1]) * SIZES[match[2]]


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise MistakeError(f"kong.conf: trusted_ips: {text!r} is no address and no network.") from None


def _server(name: str, values: Mapping[str, str]) -> ServerLines:
    key = f"pluginserver_{name.replace('-', '_')}"
    program = f"/usr/local/bin/{name}"
    present = Path(program).exists()
    query = values.get(f"{key}_query_cmd") or (f"{program} -dump" if present else None)
    if not query:
        raise MistakeError(f"kong.conf: {name}: {key}_query_cmd is missing: Kong asks that command for the plugin.")
    prefix = values.get("prefix", "/usr/local/kong")
    return ServerLines(
        name=name,
        socket=values.get(f"{key}_socket", f"{prefix}/{name}.socket"),
        query_cmd=query,
        start_cmd=values.get(f"{key}_start_cmd") or (program if present else None),
    )
