"""Asks servers that plugins depend on, over HTTP: the only file that knows the HTTP library."""

import asyncio
import ssl
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

TIMEOUT = 5.0
"""How long an answer may take in all, in seconds."""
LIMIT = 512 * 1024
"""The largest answer, in bytes."""
CONNECTIONS = 16
"""How many connections one client keeps; what finds none free waits for one."""

# An answer that is packed could be larger than it looks.
_HEADERS = {"accept-encoding": "identity", "user-agent": "outrider"}


class HttpError(Exception):
    """There was no good answer. Its text has no address in it, and nothing that was sent."""


class _EndedError(HttpError):
    """The connection ended before an answer."""


class Answer(NamedTuple):
    """What a server said."""

    status: int
    body: bytes


class HttpClient:
    """Keeps connections to servers for one plugin.

    Redirects are not followed, proxies and the environment not asked, cookies not kept.
    """

    def __init__(self, session: "ClientSession", fresh: "ClientSession", limit: int) -> None:
        self._session, self._fresh, self._limit = session, fresh, limit

    @classmethod
    async def open(cls, *, timeout: float = TIMEOUT, limit: int = LIMIT) -> Self:  # noqa: ASYNC109 - of each answer
        """`timeout` is in seconds, `limit` the largest answer in bytes."""
        # It takes a fifth of a second to import: only where it is needed, and not while others wait.
        await asyncio.to_thread(import_module, "aiohttp")
        context = await asyncio.to_thread(tls)
        return cls(_session(context, timeout, fresh=False), _session(context, timeout, fresh=True), limit)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def get(self, url: str) -> Answer:
        """Raises `HttpError`."""
        return await self._ask("GET", url, {}, None)

    async def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """Sends a form (application/x-www-form-urlencoded). Raises `HttpError`."""
        return await self._ask("POST", url, headers, form)

    async def close(self) -> None:
        """Ends all connections."""
        await self._session.close()
        await self._fresh.close()

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None) -> Answer:
        try:
            return await self._once(self._session, method, url, headers, form)
        except _EndedError:
            # A kept connection may have ended while nobody looked. What we ask changes nothing: ask once more.
            return await self._once(self._fresh, method, url, headers, form)

    async def _once(
        self,
        session: "ClientSession",
        method: str,
        url: str,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None,
    ) -> Answer:
        try:
            async with session.request(method, url, data=form, headers=headers, allow_redirects=False) as answer:
                return Answer(answer.status, await self._body(answer))
        except HttpError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a strange server makes of the library
            # Its own words may hold the address, and that a secret.
            raise _told(error) from None

    async def _body(self, answer: "ClientResponse") -> bytes:
        body = bytearray()
        async for chunk in answer.content.iter_chunked(65_536):
            body += chunk
            if len(body) > self._limit:
                raise HttpError(f"answers with more than {self._limit} bytes")
        return bytes(body)


async def download(url: str, *, timeout: float = TIMEOUT, limit: int = LIMIT) -> bytes:  # noqa: ASYNC109
    """The body at an address. Raises `HttpError`, also for any status but 200."""
    async with await HttpClient.open(timeout=timeout, limit=limit) as client:
        answer = await client.get(url)
    if answer.status != 200:
        raise HttpError(f"answers with status {answer.status}")
    return answer.body


def _session(context: ssl.SSLContext, timeout: float, *, fresh: bool) -> "ClientSession":
    from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

    return ClientSession(
        auto_decompress=False,
        connector=TCPConnector(limit=CONNECTIONS, ssl=context, force_close=fresh),
        cookie_jar=DummyCookieJar(),
        headers=_HEADERS,
        timeout=ClientTimeout(total=timeout),
    )


@cache
def tls() -> ssl.SSLContext:
    """How a server must prove who it is: by a certificate that this machine trusts."""
    # Reading the system's certificates takes milliseconds that requests would wait for.
    return ssl.create_default_context()


def _told(error: Exception) -> HttpError:
    from aiohttp import ClientConnectionError, ClientConnectorCertificateError, ClientConnectorError

    if isinstance(error, TimeoutError):
        return HttpError("takes too long to answer")
    if isinstance(error, ClientConnectorCertificateError):
        return HttpError("shows a certificate that is not trusted")
    if isinstance(error, ClientConnectorError):
        return HttpError(f"can't be reached ({error.os_error.strerror or type(error.os_error).__name__})")
    kind = _EndedError if isinstance(error, ClientConnectionError) else HttpError
    return kind(f"gives no proper answer ({type(error).__name__})")
