"""A key set at an address, fetched in the background and never by a request."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable

from outrider_plugins.http_client import download
from outrider_plugins.jwks import Key, KeySet, NoKeysError, parse_jwks
from outrider_plugins.oidc_discovery import Fetch, discovered_keys
from outrider_plugins.trusted_url import public

_log = logging.getLogger("outrider.plugin.jwt-auth")

REFRESH = 300.0
"""How old keys get before they are fetched again, in seconds; a tenth more or less, so that workers spread."""
RETRY = 5.0
"""How long to wait after a fetch that failed, in seconds; a tenth more or less."""
COOLDOWN = 10.0
"""The least time between two fetches that unknown key ids ask for, in seconds."""
KEEP = 86_400
"""How long keys are used after the last good fetch, in seconds."""
WAITING = 100
"""How many requests may wait for a fetch at once."""

Sleep = Callable[[float], Awaitable[object]]


class RemoteKeys:
    """The last good keys of an address. Before the first fetch has succeeded there are none.

    With `discover`, `url` is an issuer that says itself where its keys are. Keys are used for `keep` seconds after
    the last good fetch. The other arguments are for tests.
    """

    def __init__(
        self,
        url: str,
        *,
        discover: bool = False,
        keep: float = KEEP,
        fetch: Fetch = download,
        sleep: Sleep = asyncio.sleep,
        spread: Callable[[float, float], float] = random.uniform,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        self._version = 0
        self._name = public(url)
        self._discover, self._keep = discover, keep
        self._fetch, self._sleep, self._spread, self._clock = fetch, sleep, spread, clock
        self._keys: KeySet | None = None
        self._document: bytes = b""
        self._fetched = 0.0
        self._complaint = ""
        self._wanted = asyncio.Event()
        self._tried = asyncio.Event()
        self._next = asyncio.Event()
        self._idle = self._failed = False
        self._waiting = 0

    @property
    def version(self) -> int:
        """Grows when the keys change, also when they become too old to be used."""
        self._drop_old()
        return self._version

    def find(self, kid: str | None, algorithm: str) -> list[Key]:
        """The keys that may have signed a token. Raises `NoKeysError` where there are none, or none any more."""
        self._drop_old()
        if self._keys is None:
            raise NoKeysError(self._name)
        return self._keys.find(kid, algorithm)

    def look_again(self) -> Awaitable[None] | None:
        """Asks for a fetch, since a token's key is not there: what to wait for, or None if none is due.

        A flood of unknown ids makes one fetch in ten seconds. Raises `NoKeysError` where the last fetch has failed:
        nobody knows then which keys there are; and if too many wait already.
        """
        if (self._idle and self._failed) or self._waiting >= WAITING:
            raise NoKeysError(self._name)
        if self._idle:
            return None
        self._wanted.set()
        return self._after(self._next)

    async def tried(self) -> None:
        """Waits until the first fetch has ended, well or badly."""
        await self._tried.wait()

    async def keep_fresh(self) -> None:
        """Fetches the keys now and again and again, until it is cancelled."""
        while True:
            good = await self.refresh()
            self._idle, self._failed = True, not good
            self._tried.set()
            self._next.set()
            self._next = asyncio.Event()
            await self._sleep(COOLDOWN if good else RETRY * self._spread(0.9, 1.1))
            self._idle = False
            if good:
                await self._rest(REFRESH * self._spread(0.9, 1.1) - COOLDOWN)

    async def refresh(self) -> bool:
        """Fetches once; keeps the old keys, as long as they may be used, and says so if that fails."""
        self._wanted.clear()
        try:
            url = await discovered_keys(self.url, self._fetch) if self._discover else self.url
            document = await self._fetch(url)
            keys = parse_jwks(document)
        except Exception as error:  # noqa: BLE001 - whatever a strange server makes of it, the next fetch must come
            self._drop_old()
            self._complain(str(error) or type(error).__name__)
            return False
        self._complain("")
        self._fetched = self._clock()
        if self._keys is None or document != self._document:
            self._keys, self._document = keys, document
            self._version += 1
        return True

    def _drop_old(self) -> None:
        # An issuer that was taken over or closed must not be believed for ever.
        if self._keys is not None and self._clock() - self._fetched > self._keep:
            self._keys = None
            self._version += 1

    async def _after(self, fetch: asyncio.Event) -> None:
        self._waiting += 1
        try:
            await fetch.wait()
        finally:
            self._waiting -= 1
        if self._failed:
            raise NoKeysError(self._name)

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
        complaint = complaint and f"{complaint}): {self._state()}"
        if complaint and complaint != self._complaint:
            _log.warning("the keys of %s can't be had (%s", self._name, complaint)
        elif self._complaint and not complaint:
            _log.info("the keys of %s are there again", self._name)
        self._complaint = complaint

    def _state(self) -> str:
        if self._keys is not None:
            return f"going on with the last good ones, for {self._keep:g} s since they came"
        return "its tokens get 503 until they come"
