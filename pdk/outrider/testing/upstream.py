"""The upstream of a test's gateway: it keeps what it got, and answers what it is told."""

from collections.abc import Iterator, Sequence
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple, Self, cast

from outrider.headers import Fields, Headers
from outrider.request import Request
from outrider.response import BODILESS, Response


class Got(NamedTuple):
    """A request that reached upstream, and its body in the pieces in which it came."""

    request: Request
    chunks: tuple[bytes, ...]


class Upstream(ThreadingHTTPServer):
    """Listens on a free port of loopback. `got` are the complete requests that reached it."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[Got] = []
        self.response = Response()
        self.chunks: Sequence[bytes] = ()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def expect(self, response: Response, chunks: Sequence[bytes]) -> None:
        """Forgets what it got, and says what to answer: with `chunks`, if there are any, else with the body."""
        self.got.clear()
        self.response, self.chunks = response, chunks

    def handle_error(self, request: object, client_address: object) -> None:
        """A gateway that cuts a request short is no error here."""

    def __enter__(self) -> Self:
        Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __getattr__(self, name: str) -> object:
        # One answer for every method: the base looks for do_GET and the like.
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """The gateway logs."""

    def _answer(self) -> None:
        chunks = tuple(self._body())
        headers = Headers.received(_fields(self.headers))
        authority = headers.get("host", "")
        headers.forget("host")
        upstream = cast("Upstream", self.server)
        upstream.got.append(Got(Request(self.command, self.path, headers=headers, authority=authority), chunks))
        self._send(upstream.response, upstream.chunks)

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            if length := int(self.headers.get("content-length", "0")):
                yield self._exactly(length)
            return
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            yield self._exactly(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            """Trailers: no hook sees them."""

    def _exactly(self, length: int) -> bytes:
        read = self.rfile.read(length)
        if len(read) < length:
            raise ConnectionError("the request was cut short")
        return read

    def _send(self, response: Response, chunks: Sequence[bytes]) -> None:
        self.send_response_only(response.status)
        for name, value in response.headers.fields():
            # The base encodes Latin-1.
            self.send_header(name, value.encode("utf-8", "surrogateescape").decode("latin-1"))
        bodiless = self.command == "HEAD" or response.status in BODILESS
        if not bodiless:
            framing = ("transfer-encoding", "chunked") if chunks else ("content-length", str(len(response.body)))
            self.send_header(*framing)
        self.end_headers()
        if not bodiless:
            self._send_body(response.body, chunks)

    def _send_body(self, body: bytes, chunks: Sequence[bytes]) -> None:
        if not chunks:
            self.wfile.write(body)
            return
        for chunk in filter(None, chunks):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")


def _fields(message: Message) -> Fields:
    fields: Fields = {}
    for name, value in message.items():
        text = str(value).encode("latin-1", "replace").decode("utf-8", "surrogateescape")
        fields.setdefault(name.lower(), []).append(text)
    return fields
