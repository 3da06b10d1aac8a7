"""An upstream that answers with what it got, as JSON, or with what it was told."""

import json
import socketserver
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

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
    """Listens on a free port of loopback; `requests` holds what reached it."""

    def __init__(self) -> None:
        self.requests: list[http1.Message] = []
        self.answer: Answer | None = None
        self.gate = threading.Event()
        self.reset()
        upstream = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while request := http1.read(self.rfile):
                    self.wfile.write(upstream.take(request).encode())

        self._server = Server(("127.0.0.1", 0), Handler)
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

    def handle_error(self, request: object, client_address: object) -> None:
        """A gateway that hangs up is part of many tests."""
