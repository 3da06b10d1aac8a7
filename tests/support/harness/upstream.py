"""An upstream that answers with what it got, as JSON, or with what it was told."""

import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from harness import http1


@dataclass(frozen=True)
class Answer:
    """What upstream says instead of the echo. Several chunks go out with chunked encoding."""

    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    chunks: Sequence[bytes] = (b"",)
    trailers: Sequence[tuple[str, str]] = ()

    def encode(self) -> bytes:
        chunked = len(self.chunks) > 1 or bool(self.trailers)
        body = b"".join(self.chunks)
        framing = ("transfer-encoding", "chunked") if chunked else ("content-length", str(len(body)))
        head = [f"HTTP/1.1 {self.status} Told", *_lines(self.headers), *_lines([framing]), "", ""]
        if not chunked:
            return "\r\n".join(head).encode("latin-1") + body
        encoded = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in self.chunks)
        tail = ["0", *_lines(self.trailers), "", ""]
        return "\r\n".join(head).encode("latin-1") + encoded + "\r\n".join(tail).encode("latin-1")


def _lines(headers: Sequence[tuple[str, str]]) -> list[str]:
    return [f"{key}: {value}" for key, value in headers]


def echo(request: http1.Message) -> Answer:
    seen = {
        "method": request.method,
        "path": request.path,
        "headers": request.headers,
        "body": request.body.decode("latin-1"),
    }
    return Answer(headers=[("content-type", "application/json")], chunks=[json.dumps(seen).encode()])


class Upstream:
    """Listens on loopback, on a free port unless one is given; `requests` holds what reached it."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.host = host
        self.requests: list[http1.Message] = []
        self.answer: Answer | None = None
        self.gate = threading.Event()
        self.reset()
        upstream = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while request := http1.read(self.rfile):
                    self.wfile.write(upstream.take(request).encode())

        self._server = Server((host, port), Handler)
        self._server.tls = tls
        self.port: int = self._server.server_address[1]

    @property
    def request(self) -> http1.Message:
        """The only request that reached it."""
        assert len(self.requests) == 1, f"{len(self.requests)} requests reached upstream"
        return self.requests[0]

    def take(self, request: http1.Message) -> Answer:
        self.requests.append(request)
        assert self.gate.wait(15), "nobody opened the gate"
        return self.answer or echo(request)

    def reset(self) -> None:
        self.requests.clear()
        self.answer = None
        self.gate.set()

    def die(self) -> None:
        """Ends for good, with all connections. Another one may take its port."""
        self.__exit__()
        self._server.hang_up()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    # So that one that died can come back.
    allow_reuse_address = True
    tls: ssl.SSLContext | None = None

    def __init__(self, *arguments: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*arguments)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Ends every connection that is open."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A gateway that hangs up is part of many tests."""
