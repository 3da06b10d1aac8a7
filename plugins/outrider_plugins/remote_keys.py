"""A key set at an address, fetched in the background and never by a request."""

import asyncio
import logging
import random
import re
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from outrider_plugins.download import download
from outrider_plugins.jwks import Key, KeySet, NoKeysError, parse_jwks

_log = logging.getLogger("outrider.plugin.jwt-auth")
_PRINTABLE = re.compile(r"[!-~]+")

REFRESH = 300.0
"""How old keys get before they are fetched again, in seconds; a tenth more or less, so that workers spread."""
RETRY = 5.0
"""How long to wait after a fetch that failed, in seconds."""
COOLDOWN = 10.0
"""The least time between two fetches that unknown key ids ask for, in seconds."""

Fetch = Callable[[str], Awaitable[bytes]]
Sleep = Callable[[float], Awaitable[object]]


class RemoteKeys:
    """The last good keys of an address. Before the first fetch has succeeded there are none.

    `version` grows when what is fetched differs from what was there. The other arguments are for tests.
    """

    def __init__(
        self,
        url: str,
        *,
        fetch: Fetch = download,
        sleep: Sleep = asyncio.sleep,
        spread: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.url = url
        self._name = _public(url)
        self.version = 0
        self._fetch, self._sleep, self._spread = fetch, sleep, spread
        self._keys = KeySet()
        self._document: bytes = b""
        self._complaint = ""
        self._wanted = asyncio.Event()
        self._tried = asyncio.Event()

    def find(self, kid: str | None, algorithm: str) -> list[Key]:
        """The keys that may have signed a token. If there is none, they are fetched soon.

        A flood of unknown ids makes one fetch in ten seconds. Raises `NoKeysError` before the first good fetch.
        """
        if not self.version:
            raise NoKeysError(self._name)
        found = self._keys.find(kid, algorithm)
        if not found:
            self._wanted.set()
        return found

    async def tried(self) -> None:
        """Waits until the first fetch has ended, well or badly."""
        await self._tried.wait()

    async def keep_fresh(self) -> None:
        """Fetches the keys now and again and again, until it is cancelled."""
        while True:
            good = await self.refresh()
            self._tried.set()
            await self._sleep(COOLDOWN if good else RETRY)
            if good:
                await self._rest(REFRESH * self._spread(0.9, 1.1) - COOLDOWN)

    async def refresh(self) -> bool:
        """Fetches once; keeps the old keys and says so if that fails."""
        self._wanted.clear()
        try:
            document = await self._fetch(self.url)
            keys = parse_jwks(document)
        except Exception as error:  # noqa: BLE001 - whatever a strange server makes of it, the next fetch must come
            self._complain(str(error) or type(error).__name__)
            return False
        self._complain("")
        if document != self._document:
            self._keys, self._document = keys, document
            self.version += 1
        return True

    async def _rest(self, seconds: float) -> None:
        """Waits that long, or until a token names a key that is not there."""
        ends = [asyncio.ensure_future(end) for end in (self._sleep(seconds), self._wanted.wait())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()

    def _complain(self, complaint: str) -> None:
        # Once, and not every five seconds.
        if complaint and complaint != self._complaint:
            state = "going on with the last good ones" if self.version else "its tokens get 503 until they come"
            _log.warning("the keys of %s can't be had (%s): %s", self._name, complaint, state)
        elif self._complaint and not complaint:
            _log.info("the keys of %s are there again", self._name)
        self._complaint = complaint


def check_url(url: str) -> str:
    """An address that keys may come from: https, or http on loopback. Raises `ValueError`."""
    parts = _parts(url)
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("must be an address without a user, a password and a fragment")
    if parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))):
        return url
    raise ValueError("keys come over https, or over http from loopback only: anybody on the way could swap them")


def _public(url: str) -> str:
    """The address for logs, without what may hold a secret: user, password, query and fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if _PRINTABLE.fullmatch(url) and parts.port != 0:
            return parts
    except ValueError:
        pass
    raise ValueError("is no address")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
