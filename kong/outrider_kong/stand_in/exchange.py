"""One request on its way through Kong: what came, what was decided, what goes out."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from outrider_kong.stand_in.entities import Consumer, Route, Service
from outrider_kong.stand_in.headers import Headers
from outrider_kong.stand_in.settings import Settings
from outrider_kong.stand_in.values import Array, Value


class Node(Protocol):
    """What a request knows of the gateway that it came to."""

    @property
    def id(self) -> str: ...
    @property
    def settings(self) -> Settings: ...
    def consumer(self, key: str, *, by_username: bool) -> Consumer | None: ...
    def trusts(self, address: str) -> bool: ...


class BodyWantedError(Exception):
    """A function wants the request body, which nobody has read yet: read it and call again."""


@dataclass(kw_only=True)
class Request:
    """What downstream sent. Plugins change headers and method in place, as in nginx.

    `failure` is what nginx itself refuses it with, before any plugin, 494 for headers that are too large.
    `authority` is what a target that is a whole URI names.
    """

    method: bytes
    target: bytes
    headers: Headers
    authority: bytes = b""
    version: str = "1.1"
    peer: str = "127.0.0.1"
    address: str = "127.0.0.1"
    port: int = 0
    server_port: int = 8000
    scheme: str = "http"
    size: int = 0
    failure: int = 0

    @property
    def path(self) -> bytes:
        return self.target.partition(b"?")[0]

    @property
    def host(self) -> bytes:
        """The name that was asked for, without a port, in lower case."""
        host = (self.authority or self.headers.get(b"host") or b"").lower()
        return host[: host.rfind(b"]") + 1] if host.startswith(b"[") else host.partition(b":")[0]


@dataclass
class Reply:
    """What goes downstream, as far as it is known."""

    status: int = 0
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""


@dataclass(kw_only=True)
class Matched:
    """What the router found out."""

    route: Route
    upstream_uri: bytes = b"/"
    prefix: bytes | None = None
    captures: dict[bytes | int, bytes] = field(default_factory=dict[bytes | int, bytes])


@dataclass
class Target:
    """Where and how the request goes upstream."""

    host: str = ""
    port: int = 80
    scheme: str = "http"
    uri: bytes = b"/"
    host_header: bytes | None = None


@dataclass
class Times:
    """When what happened, in seconds; latencies in milliseconds come from them."""

    started: float = field(default_factory=time.time)
    access_ended: float | None = None
    headers_came: float | None = None
    ended: float | None = None


@dataclass(kw_only=True)
class Exchange:
    """The state that nginx, ngx.ctx and Kong's own tables hold of one request."""

    node: Node
    request: Request
    id: str
    phase: str = "access"
    in_timer: bool = False
    matched: Matched | None = None
    consumer: Value = None
    credential: Value = None
    shared: dict[bytes, Value] = field(default_factory=dict[bytes, Value])
    ctx: dict[bytes, Value] = field(default_factory=dict[bytes, Value])
    log_values: list[tuple[bytes, Value]] = field(default_factory=list[tuple[bytes, Value]])
    args: bytes = b""
    body: bytes | None = None
    body_file: Path | None = None
    target: Target = field(default_factory=Target)
    reply: Reply = field(default_factory=Reply)
    upstream: Reply | None = None
    buffered: bool = False
    exited: bool = False
    unexpected: bool = False
    proxied: bool = False
    tries: list[Value] = field(default_factory=Array)
    times: Times = field(default_factory=Times)
    bytes_sent: int = 0

    @property
    def route(self) -> Route | None:
        return self.matched.route if self.matched else None

    @property
    def service(self) -> Service | None:
        return self.route.service if self.route else None

    @property
    def source(self) -> str:
        """Who made the response: a plugin or Kong (exit), the service, or a fault (error)."""
        if self.unexpected:
            return "error"
        if self.exited:
            return "exit"
        return "service" if self.proxied else "error"

    @property
    def proxy_latency(self) -> int:
        """Milliseconds that Kong itself took."""
        end = self.times.access_ended or self.times.headers_came or time.time()
        return round((end - self.times.started) * 1000)

    @property
    def waiting_time(self) -> int:
        """Milliseconds from the end of access to upstream's headers."""
        return round(((self.times.headers_came or time.time()) - (self.times.access_ended or time.time())) * 1000)
