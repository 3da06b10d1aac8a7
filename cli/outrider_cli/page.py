"""The page for operators: /metrics, /healthz and /readyz."""

import asyncio
import logging
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from outrider.config.field_types import Address
from outrider.errors import StartError
from outrider.exposition import exposition

_log = logging.getLogger("outrider.supervisor")

_AGAIN = 0.5  # seconds
_CONNECTIONS = 16  # at once; the page is for a scraper and a person


class Page:
    """Serves the metrics of all workers on one page, from a thread of its own."""

    def __init__(self, address: Address, folder: Path, ready: Callable[[], bool]) -> None:
        try:
            self._server = _Server((address.host, address.port), _handler(folder, ready))
        except OSError as error:
            raise StartError(f"gateway.metrics: {address} can't be listened on ({error.strerror})") from error
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()


async def opened(address: Address, folder: Path, ready: Callable[[], bool]) -> Page:
    """The page, as soon as its address is free: where one server takes over from another, it still has it."""
    told = False
    while True:
        try:
            return Page(address, folder, ready)
        except StartError as error:
            if not told:
                _log.warning("%s: it is tried again until it is free", error)
            told = True
        await asyncio.sleep(_AGAIN)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        self._places = threading.BoundedSemaphore(_CONNECTIONS)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()


def _handler(folder: Path, ready: Callable[[], bool]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5  # seconds; somebody who sends nothing does not hold a thread

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._send(200, exposition(sorted(folder.glob("*.metrics"))), "text/plain; version=0.0.4")
            elif path == "/healthz":
                self._send(200, b"ok\n")
            elif path == "/readyz":
                self._send(*((200, b"ready\n") if ready() else (503, b"not ready\n")))
            else:
                self._send(404, b"/metrics, /healthz and /readyz are here\n")

        do_HEAD = do_GET  # noqa: N815 - the base's name

        def _send(self, status: int, body: bytes, kind: str = "text/plain") -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            """A scraper every few seconds is not worth a line."""

    return Handler
