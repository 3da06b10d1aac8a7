"""One configuration with a route for each way in which a body can stream, and words for a hand-driven upstream."""

import json
from pathlib import Path
from typing import Any, Self

from harness.http1 import Message
from harness.outrider import Config, Outrider, plugin, service
from harness.peer import Peer, Wire, client
from harness.process import until
from harness.sample import CONSUMERS, PLUGINS

CLOSE = "connection: close\r\n"
HELLO = f"HTTP/1.1 200 OK\r\n{CLOSE}content-length: 5\r\n\r\nhello".encode()
CHUNKS = f"HTTP/1.1 200 OK\r\n{CLOSE}transfer-encoding: chunked\r\n\r\n".encode()
END = b"0\r\n\r\n"


def streaming(upstream: int, folder: Path) -> Config:
    """Every route is /NAME of its service; each request's end goes to the file `ended`."""

    def made(name: str, *plugins: Config) -> Config:
        return service(name, upstream, *plugins, plugin("ended", log=str(folder / "ended")))

    services = [
        made("double", plugin("doubled")),
        made("events", plugin("events")),
        made("async-events", plugin("async-events")),
        made("upper", plugin("upper")),
        made("whole", plugin("whole")),
        made("both", plugin("upper"), plugin("whole")),
        made("scoped", plugin("key-auth", anonymous="guest"), {**plugin("doubled"), "consumer": "alice"}),
        made("chunked", plugin("chunked", timeout=300)),
        made("tolerant", plugin("chunked", timeout=300, on_error="continue")),
        made("over", plugin("takes-over"), plugin("upper")),
        made("observed", plugin("observed", log=str(folder / "digests"))),
        made("guarded", plugin("key-auth"), plugin("upper"), plugin("whole")),
        service("plain", upstream),
    ]
    gateway = {"plugin_dirs": [PLUGINS], "workers": 1}
    return {"gateway": gateway, "services": services, "consumers": CONSUMERS}


class Streams:
    """A gateway between clients and an upstream that are all driven by hand; `with` closes their connections."""

    def __init__(self, gateway: Outrider, peer: Peer) -> None:
        self.gateway = gateway
        self.peer = peer
        self._clients: list[Wire] = []

    def send(self, raw: bytes) -> Wire:
        """A client that has sent these bytes."""
        self._clients.append(client(self.gateway.port).send(raw))
        return self._clients[-1]

    def get(self, path: str, *headers: str) -> Wire:
        return self.send(head("GET", path, *headers))

    def post(self, path: str, *headers: str) -> Wire:
        """A client that has begun to send a body in chunks."""
        return self.send(head("POST", path, "transfer-encoding: chunked", *headers))

    def answered(self, path: str, *headers: str) -> tuple[Wire, Wire]:
        """A client that has got the headers of a response, and the upstream that goes on with its chunks."""
        downstream = self.get(path, *headers)
        upstream = self.peer.accept().send(CHUNKS)
        downstream.until(b"\r\n\r\n")
        return downstream, upstream

    def ended(self, case: str) -> list[Any]:
        """How the one request of a case ended: ending, status, bytes of the request, bytes of the response."""
        self.gateway.idle()
        [line] = until(lambda: [line[1:] for line in self._lines("ended") if line[0] == case])
        return line

    def digest(self, case: str, side: str) -> str:
        """The digest of a body, as the plugin `observed` took it."""
        [line] = until(lambda: [line for line in self._lines("digests") if line[:2] == [case, side]])
        return str(line[2])

    def _lines(self, name: str) -> list[list[Any]]:
        file = self.gateway.folder / name
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._clients:
            one.close()
        self.peer.reset()


def response(wire: Wire) -> Message:
    """A whole response with a length."""
    start, *lines = wire.until(b"\r\n\r\n").decode("latin-1").rstrip().splitlines()
    headers = [(key, value.strip()) for key, _, value in (line.partition(":") for line in lines)]
    told = Message(start, headers)
    return Message(start, headers, wire.take(int(told.get("content-length") or 0)))


def head(method: str, path: str, *headers: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: a", *headers, "", ""]).encode()
