"""A sample upstream: says what it got, and plays the issuer of tokens at /jwks.json."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast


class Upstream(ThreadingHTTPServer):
    """Listens on a port of loopback; `received` counts what came through the gateway."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, jwks: str) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.jwks = jwks
        self.received = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        upstream = cast("Upstream", self.server)
        if self.path == "/jwks.json":
            self._send(upstream.jwks.encode())
            return
        upstream.received += 1
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._send(json.dumps({"path": self.path, "headers": headers}).encode())

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("x-powered-by", "sample")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Says nothing: the demo prints what matters."""


if __name__ == "__main__":
    Upstream(int(sys.argv[1]) if len(sys.argv) > 1 else 9001, '{"keys": []}').serve_forever()
