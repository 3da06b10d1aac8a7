"""Downstream of a test's gateway: one request, and what came back."""

import http.client
from collections.abc import Iterator
from contextlib import closing, suppress

from outrider.request import Request
from outrider.testing.outcome import Body, Outcome, joined

_PIECE = 1 << 16


def ask(port: int, request: Request, body: Body, seconds: float) -> Outcome:
    """Sends a request to loopback, a body in pieces with chunked encoding, and reads the answer.

    `upstream` of the outcome is still empty. Raises `OSError` or `http.client.HTTPException` where there is no
    answer, `TimeoutError` where `seconds` pass in silence.
    """
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)) as connection:
        _send_head(connection, request, body)
        # A plugin may have answered before the body's end: then nobody reads the rest.
        with suppress(BrokenPipeError, ConnectionResetError):
            for piece in _encoded(body):
                connection.send(piece)
        response = connection.getresponse()
        chunks: list[bytes] = []
        aborted = not _read(response, chunks)
        fields = ((name.lower(), _text(value)) for name, value in response.getheaders())
        return Outcome(response.status, joined(fields), tuple(chunks), None, aborted=aborted)


def _send_head(connection: http.client.HTTPConnection, request: Request, body: Body) -> None:
    connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
    connection.putheader("host", request.authority)
    for name, value in request.headers.fields():
        connection.putheader(name, value.encode("utf-8", "surrogateescape"))
    if not isinstance(body, bytes):
        connection.putheader("transfer-encoding", "chunked")
    elif body:
        connection.putheader("content-length", str(len(body)))
    connection.endheaders()


def _encoded(body: Body) -> Iterator[bytes]:
    if isinstance(body, bytes):
        yield body
        return
    for chunk in filter(None, body):
        yield b"%x\r\n%s\r\n" % (len(chunk), chunk)
    yield b"0\r\n\r\n"


def _read(response: http.client.HTTPResponse, chunks: list[bytes]) -> bool:
    """Reads the pieces as they come; False where the body was cut before its end."""
    try:
        while piece := response.read1(_PIECE):
            chunks.append(piece)
    except (http.client.IncompleteRead, ConnectionResetError):
        return False
    return not response.length


def _text(value: str) -> str:
    return value.encode("latin-1").decode("utf-8", "surrogateescape")
