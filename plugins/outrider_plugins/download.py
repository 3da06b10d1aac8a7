"""One small document over HTTP, for plugins that need it in the background."""

import asyncio
import ssl
from functools import cache
from http.client import HTTPResponse
from io import BytesIO
from typing import cast
from urllib.parse import SplitResult, urlsplit

TIMEOUT = 5.0
"""How long it may take in all, in seconds."""
LIMIT = 512 * 1024
"""The largest answer, in bytes."""


async def download(url: str, *, timeout: float = TIMEOUT, limit: int = LIMIT) -> bytes:  # noqa: ASYNC109
    """The body at an http or https address.

    Redirects are not followed and proxies not asked. Raises `OSError` (which a time-out is too), `HTTPException`
    or `ValueError`.
    """
    parts = urlsplit(url)
    async with asyncio.timeout(timeout):
        answer = await _exchange(parts, limit)
    return _body(answer)


async def _exchange(parts: SplitResult, limit: int) -> bytes:
    context = tls() if parts.scheme == "https" else None
    port = parts.port or (443 if context else 80)
    reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=context)
    try:
        writer.write(_request(parts))
        answer = bytearray()
        while chunk := await reader.read(65_536):
            answer += chunk
            if len(answer) > limit:
                raise ValueError(f"answers with more than {limit} bytes")
    finally:
        # Not close: that would wait for a server that does not end its TLS.
        writer.transport.abort()
    return bytes(answer)


def _request(parts: SplitResult) -> bytes:
    # HTTP/1.0, so that the answer ends with the connection.
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return f"GET {target} HTTP/1.0\r\nhost: {parts.netloc}\r\nconnection: close\r\n\r\n".encode()


def _body(answer: bytes) -> bytes:
    response = HTTPResponse(cast("ssl.SSLSocket", _Read(answer)))
    response.begin()
    if response.status != 200:
        raise ValueError(f"answers with status {response.status}")
    return response.read()


class _Read:
    """What was read, in the shape of the socket that HTTPResponse wants."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _: str) -> BytesIO:
        return BytesIO(self._data)


@cache
def tls() -> ssl.SSLContext:
    """How a server must prove who it is: by a certificate that this machine trusts."""
    # Reading the system's certificates takes milliseconds that requests would wait for.
    return ssl.create_default_context()
