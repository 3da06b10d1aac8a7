"""Verifies user names and passwords for basic-auth, and remembers those that were good."""

import asyncio
import hmac
import os
from collections import OrderedDict
from collections.abc import Awaitable, Coroutine, Mapping
from functools import partial
from hashlib import blake2b
from typing import Any, NamedTuple

from outrider import Credential, Identity
from outrider_plugins.password_pool import PasswordPool
from outrider_plugins.passwords import Digest, Stored

SIZE = 10_000
"""How many users are remembered, 1 KiB each; beyond it those that came least recently are verified again."""


class Row(NamedTuple):
    """A user of the file."""

    credential: Credential
    stored: Stored

    def identity(self) -> Identity:
        """What the right password proves."""
        return Identity(self.credential.id, self.credential.consumer)


class Users:
    """The users of the file by name; many verifiers may share them."""

    def __init__(self, rows: Mapping[str, Row]) -> None:
        self.rows = rows
        self.costliest = max(rows.values(), key=lambda row: _cost(row.stored), default=None)
        """The one whose password takes longest to verify."""


class _Known(NamedTuple):
    """A user whose password was good."""

    digest: bytes
    identity: Identity


class PasswordVerifier:
    """Says whose a user name and a password are. Costly hashes are verified in `pool`.

    The same pair that comes many times at once is verified once. Who is not in the file costs what the user with the
    costliest hash costs, so that nobody learns by the clock who is. Of a good password a digest stays, under a key
    that ends with this object; of a bad one nothing. For one event loop.
    """

    def __init__(self, users: Users, pool: PasswordPool, *, size: int = SIZE) -> None:
        self._rows = users.rows
        self._pool = pool
        self._size = size
        self._key = os.urandom(32)
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._flights: dict[bytes, _Flight] = {}
        self._decoy = users.costliest.stored if users.costliest is not None else Digest(os.urandom(32))

    def verify(self, username: str, password: str) -> Identity | Awaitable[Identity | None] | None:
        """Whose the pair is, or None for a wrong one; to be awaited only if the password has to be hashed.

        Awaiting raises `PoolFullError` where too many wait already.
        """
        known = self._known.get(username)
        if known and hmac.compare_digest(known.digest, self._digest(username, password)):
            self._known.move_to_end(username)
            return known.identity
        row = self._rows.get(username)
        stored = self._decoy if row is None else row.stored
        if not stored.cost:
            matches = stored.matches(password.encode())
            return row.identity() if matches and row else None
        return self._shared(self._digest(username, password), username, password)

    async def _shared(self, digest: bytes, username: str, password: str) -> Identity | None:
        """Takes part in the verification of this pair, and begins it if nobody has."""
        flight = self._flights.get(digest)
        if flight is None:
            flight = self._flights[digest] = _Flight(self._hashed(digest, username, password))
        flight.passengers += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.passengers -= 1
            if not flight.passengers:
                # Done, or wanted by nobody any more: then what still waits for a thread never gets one.
                flight.task.cancel()
                del self._flights[digest]

    async def _hashed(self, digest: bytes, username: str, password: str) -> Identity | None:
        row = self._rows.get(username)
        stored = self._decoy if row is None else row.stored
        matches = await self._pool.run(partial(stored.matches, password.encode()))
        if not matches or row is None:
            return None
        identity = row.identity()
        self._remember(username, _Known(digest, identity))
        return identity

    def _remember(self, username: str, known: _Known) -> None:
        self._known[username] = known
        self._known.move_to_end(username)
        if len(self._known) > self._size:
            self._known.popitem(last=False)

    def _digest(self, username: str, password: str) -> bytes:
        # Unambiguous: no user name has a colon.
        return blake2b(f"{username}:{password}".encode(), digest_size=32, key=self._key).digest()


class _Flight:
    """A verification that is under way, and how many wait for it."""

    __slots__ = ("passengers", "task")

    def __init__(self, hashed: Coroutine[Any, Any, Identity | None]) -> None:
        self.task = asyncio.get_running_loop().create_task(hashed)
        self.passengers = 0


def _cost(stored: Stored) -> float:
    return stored.cost
