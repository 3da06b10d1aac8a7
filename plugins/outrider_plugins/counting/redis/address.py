"""Addresses of Redis and Valkey: one server, or several that a sentinel or a cluster tells apart."""

import re
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, Self
from urllib.parse import unquote

SCHEMES: Final = frozenset(
    f"{product}{tls}{kind}"
    for product in ("redis", "valkey")
    for tls in ("", "s")
    for kind in ("", "+sentinel", "+cluster")
) | {"unix"}
"""What such an address may begin with, before `://`."""

_FORMS = (
    "use redis://HOST:PORT/DB, rediss:// for TLS, unix:///PATH, redis+sentinel://HOST:PORT,HOST:PORT/SERVICE "
    "or redis+cluster://HOST:PORT,HOST:PORT"
)
_PARTS = re.compile(r"([a-z+]+)://(?:([^@/?#]*)@)?([^@/?#]*)(/[^@?#]*)?(?:\?db=([0-9]+))?")
_PRINTABLE = re.compile(r"[!-~]+")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_DATABASE = re.compile(r"[0-9]{1,5}")
_SERVICE = re.compile(r"[A-Za-z0-9._-]+")
_USUAL, _USUAL_SENTINEL = 6379, 26379

Kind = Literal["server", "sentinel", "cluster"]


class Node(NamedTuple):
    """A server that is reached over TCP."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class RedisAddress:
    """Where Redis or Valkey is, and who we are there. As a text (`str`) it has no user and no password in it."""

    kind: Kind = "server"
    nodes: tuple[Node, ...] = ()
    """The server, the sentinels, or the nodes of a cluster that are asked for the others."""
    path: str = ""
    """Of a Unix socket, where there are no nodes."""
    service: str = ""
    """What the sentinels call it."""
    db: int = 0
    tls: bool = False
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads an address. Raises `ValueError`, whose text never holds what was given: that may be a password."""
        parts = _PARTS.fullmatch(text) if _PRINTABLE.fullmatch(text) else None
        if parts is None or parts[1] not in SCHEMES:
            raise ValueError(f"is no address of Redis or Valkey: {_FORMS}; write special characters as %XX")
        scheme, credentials, hosts, path, query_db = parts.groups(default="")
        username, password = _credentials(credentials)
        if scheme == "unix":
            return cls(path=_socket(hosts, path), db=_database(query_db), username=username, password=password)
        if query_db:
            raise ValueError("has ?db=, which belongs to unix:// only: use redis://HOST:PORT/DB")
        scheme, _, kind = scheme.partition("+")
        service, db = _place(kind, path[1:])
        return cls(
            kind="sentinel" if kind == "sentinel" else "cluster" if kind == "cluster" else "server",
            nodes=_nodes(hosts, kind),
            service=service,
            db=db,
            tls=scheme in ("rediss", "valkeys"),
            username=username,
            password=password,
        )

    def __str__(self) -> str:
        if self.path:
            return f"unix://{self.path}"
        kind = "" if self.kind == "server" else f"+{self.kind}"
        service = f"/{self.service}" if self.service else ""
        return f"redis{'s' if self.tls else ''}{kind}://{','.join(map(str, self.nodes))}{service}"


def _credentials(text: str) -> tuple[str | None, str | None]:
    username, colon, password = text.partition(":")
    if text and not (colon and password):
        raise ValueError("has a user but no password: use USER:PASSWORD@HOST, or :PASSWORD@HOST")
    return unquote(username) or None, unquote(password) or None


def _socket(host: str, path: str) -> str:
    if host or len(path) < 2:
        raise ValueError("is no path of a Unix socket: use unix:///PATH, with three slashes")
    return unquote(path)


def _place(kind: str, path: str) -> tuple[str, int]:
    """What follows the hosts: the service of the sentinels, and the database."""
    if kind == "cluster" and path:
        raise ValueError("has a path, but a cluster has no databases: end the address after the last host")
    if kind != "sentinel":
        return "", _database(path)
    service, _, db = path.partition("/")
    if not _SERVICE.fullmatch(service):
        raise ValueError("does not say which service the sentinels shall be asked for: end it with /SERVICE")
    return service, _database(db)


def _database(text: str) -> int:
    if text and not _DATABASE.fullmatch(text):
        raise ValueError("has something else than the number of a database at its end: use redis://HOST:PORT/DB")
    return int(text or 0)


def _nodes(text: str, kind: str) -> tuple[Node, ...]:
    usual = _USUAL_SENTINEL if kind == "sentinel" else _USUAL
    nodes = tuple(_node(host, usual) for host in text.split(","))
    if len(nodes) > 1 and not kind:
        raise ValueError("has several hosts: use redis+sentinel:// or redis+cluster://, or one host")
    return nodes


def _node(text: str, usual: int) -> Node:
    host = _HOST.fullmatch(text)
    if host is None or not 0 < int(host[2] or usual) < 65_536:
        raise ValueError("has a host that is none: use HOST:PORT, with a port from 1 to 65535")
    return Node(host[1].strip("[]"), int(host[2] or usual))
