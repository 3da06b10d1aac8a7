"""A key set at an address, fetched in the background and never by a request."""

import asyncio
import logging
import random
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from outrider_plugins.jwks import KeySet, parse_jwks

_log = logging.getLogger("outrider.plugins.jwt-auth")

REFRESH = 300.0
"""How old keys get before they are fetched again, in seconds; a tenth more or less, so that workers spread."""
RETRY = 5.0
"""How long to wait after a fetch that failed, in seconds."""
COOLDOWN = 10.0
"""The least time between two fetches that unknown key ids ask for, in seconds."""
TIMEOUT = 5.0
"""How long one fetch may take, in seconds."""
LIMIT = 512 * 1024
"""The largest key set, in bytes."""

Fetch = Callable[[str], bytes]


class RemoteKeys:
    """The last good keys of an address. Before the first fetch has succeeded there are none."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.keys = KeySet()
        self.version = 0
        self._wanted = asyncio.Event()
        self._tried = asyncio.Event()

    def ask_again(self) -> None:
        """A token names a key that is not there: fetch soon. A flood of such tokens makes one fetch."""
        self._wanted.set()

    async def tried(self) -> None:
        """Waits until the first fetch has ended, well or badly."""
        await self._tried.wait()

    async def keep_fresh(self, fetch: Fetch | None = None) -> None:
        """Fetches the keys now and again and again, until it is cancelled."""
        while True:
            good = await self.refresh(fetch or download)
            self._tried.set()
            pause = REFRESH * random.uniform(0.9, 1.1) if good else RETRY  # noqa: S311 - it only spreads the load
            await self._pause(pause, COOLDOWN if good else RETRY)

    async def refresh(self, fetch: Fetch) -> bool:
        """Fetches once; keeps the old keys and says so if that fails."""
        self._wanted.clear()
        try:
            keys = parse_jwks(await asyncio.to_thread(fetch, self.url))
        except (OSError, HTTPException, ValueError) as error:
            _log.warning("the keys of %s can't be had (%s): going on with the last good ones", self.url, _told(error))
            return False
        self.keys = keys
        self.version += 1
        return True

    async def _pause(self, longest: float, shortest: float) -> None:
        await asyncio.sleep(shortest)
        try:
            async with asyncio.timeout(max(longest - shortest, 0.0)):
                await self._wanted.wait()
        except TimeoutError:
            return


def check_url(url: str) -> str:
    """An address that keys may come from: https, or http on loopback. Raises `ValueError`."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return url
    if parts.scheme == "http" and _is_loopback(parts.hostname or ""):
        return url
    raise ValueError("keys come over https, or over http from loopback only: anybody on the way could swap them")


def download(url: str) -> bytes:
    """The body at an address. Redirects are not followed; raises `OSError` or `ValueError`."""
    opener = urllib.request.build_opener(_NoRedirects)
    with opener.open(url, timeout=TIMEOUT) as response:
        body: bytes = response.read(LIMIT + 1)
    if len(body) > LIMIT:
        raise ValueError(f"more than {LIMIT} bytes")
    return body


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: Any) -> None:
        """None: a redirect is an error like any other status."""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__
