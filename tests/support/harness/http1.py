"""HTTP/1.1 over a plain socket: any bytes out, and exactly what came in, in order, with duplicates."""

import socket
from dataclasses import dataclass, field
from io import BufferedIOBase


@dataclass(frozen=True)
class Message:
    """A request or a response as it was on the wire; header bytes are kept as Latin-1 text."""

    start: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key.lower() == name]

    def get(self, name: str) -> str | None:
        """The only value of a header; two are an error."""
        values = self.all(name)
        assert len(values) < 2, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    @property
    def status(self) -> int:
        return int(self.start.split(" ")[1])

    @property
    def method(self) -> str:
        return self.start.split(" ")[0]

    @property
    def path(self) -> str:
        return self.start.split(" ")[1]


def connect(address: int | str) -> socket.socket:
    """To a port on loopback, or to a unix socket."""
    if isinstance(address, int):
        return socket.create_connection(("127.0.0.1", address), timeout=15)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(15)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def send(address: int | str, raw: bytes) -> Message:
    """Sends bytes as they are and reads one response."""
    with connect(address) as connection, connection.makefile("rb") as stream:
        connection.sendall(raw)
        response = read(stream, bodiless=raw.startswith(b"HEAD "))
    assert response, "closed without a response"
    return response


def request(
    address: int | str,
    path: str = "/",
    *headers: tuple[str, str],
    method: str = "GET",
    body: bytes | None = None,
    host: str = "outrider.test",
) -> Message:
    """Sends a well-formed request, with a content-length where there is a body."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}", *(f"{key}: {value}" for key, value in headers)]
    if body is not None:
        lines.append(f"content-length: {len(body)}")
    return send(address, "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))


def read(stream: BufferedIOBase, *, bodiless: bool = False) -> Message | None:
    """Reads one message; None where the connection ended before it."""
    start = stream.readline().decode("latin-1").rstrip("\r\n")
    if not start:
        return None
    headers = _read_headers(stream)
    if start.startswith("HTTP/1.1 100"):
        return read(stream, bodiless=bodiless)
    if bodiless or start.startswith(("HTTP/1.1 204", "HTTP/1.1 304")):
        return Message(start, headers)
    return _read_body(stream, Message(start, headers))


def _read_headers(stream: BufferedIOBase) -> list[tuple[str, str]]:
    headers: list[tuple[str, str]] = []
    while line := stream.readline().decode("latin-1").rstrip("\r\n"):
        key, _, value = line.partition(":")
        headers.append((key, value.strip(" \t")))
    return headers


def _read_body(stream: BufferedIOBase, head: Message) -> Message:
    if head.get("transfer-encoding") == "chunked":
        body = b"".join(iter(lambda: _read_chunk(stream), b""))
        return Message(head.start, head.headers, body, _read_headers(stream))
    length = head.get("content-length")
    if length is not None:
        return Message(head.start, head.headers, stream.read(int(length)))
    ends_at_close = head.start.startswith("HTTP/")
    return Message(head.start, head.headers, stream.read() if ends_at_close else b"")


def _read_chunk(stream: BufferedIOBase) -> bytes:
    size = int(stream.readline(), 16)
    if not size:
        return b""
    chunk = stream.read(size)
    stream.readline()
    return chunk
