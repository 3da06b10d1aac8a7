"""The plugin rate-limit: so many requests in so many seconds, counted over all workers of the machine."""

import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from ipaddress import ip_address
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from outrider import Needs, Plugin, Refusal, Reply, Request, Runtime, StartError
from outrider.headers import header_name
from outrider_plugins.counters import Charge, SharedCounters, StorageError, Usage, open_counters
from outrider_plugins.members import member

_log = logging.getLogger("outrider.plugin.rate-limit")

_QUIET = 60.0  # seconds between two log lines that say the same
_LONGEST = 256  # characters of a key; of a longer one a digest takes its place, since keys are remembered
_NAMED = ("header:NAME", "claim:NAME")
Many = Annotated[int, Field(ge=1, le=1_000_000_000_000)]
Seconds = Annotated[int, Field(ge=1, le=366 * 86_400)]


def _only_fixed_window(algorithm: str) -> str:
    if algorithm != "fixed-window":
        raise ValueError(f"{algorithm} is not yet supported: use fixed-window")
    return algorithm


def _no_burst(burst: int | None) -> int | None:
    if burst is not None:
        raise ValueError("belongs to the algorithm gcra, which is not yet supported: remove it")
    return burst


def _only_memory(storage: str) -> str:
    if storage != "memory":
        # Not the value: it may hold a password.
        raise ValueError("another storage than memory is not yet supported: use memory")
    return storage


def _known_keys(by: str | Sequence[str]) -> str | Sequence[str]:
    if not by:
        raise ValueError("is empty: say what to count by")
    for key in [by] if isinstance(by, str) else by:
        kind, _, name = key.partition(":")
        if kind == "header" and name:
            header_name(name)
        elif key not in _READERS and not (kind == "claim" and name):
            raise ValueError(
                f"{key!r} is nothing to count by: use {', '.join((*_READERS, *_NAMED))}, or a list of these"
            )
    return by


class Limit(BaseModel):
    """So many requests in so many seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    limit: Many
    """How many requests."""
    window: Seconds
    """In how many seconds. Windows begin at whole multiples of it since the Unix epoch."""


class RateLimit(Plugin):
    """Refuses requests over a limit with 429, and tells everybody how much is left.

    One counter serves all workers of this machine. A request that is refused is not counted.
    """

    priority: ClassVar[int] = 910

    limit: Many | None = None
    """How many requests pass in one window."""
    window: Seconds | None = None
    """How long a window is, in seconds. Windows begin at whole multiples of it since the Unix epoch."""
    limits: Annotated[Sequence[Limit], Field(max_length=8)] = ()
    """Several limits that all must hold, in place of `limit` and `window`."""
    by: Annotated[str | Sequence[str], AfterValidator(_known_keys)] = "consumer"
    """What has a counter of its own: `consumer`, `credential`, `ip`, `header:NAME`, `claim:NAME`, `route`, `service`.
    A list means every combination. Where there is no consumer the credential counts, and where there is none of
    these the client's address; an IPv6 address counts as its /64 network."""
    algorithm: Annotated[Literal["fixed-window", "sliding-window", "gcra"], AfterValidator(_only_fixed_window)] = (
        "fixed-window"
    )
    """How requests are counted. Only `fixed-window` is supported yet."""
    burst: Annotated[int | None, AfterValidator(_no_burst)] = None
    """How far above its rate gcra may go. Not yet supported."""
    storage: Annotated[str, AfterValidator(_only_memory)] = "memory"
    """Where the counters are. Only `memory` is supported yet: shared by all workers of this machine."""
    on_storage_error: Literal["deny", "local", "allow"] = "deny"
    """What becomes of a request that can't be counted: refused with 503, counted by this worker alone, or let on."""

    @model_validator(mode="after")
    def _has_limits(self) -> Self:
        if (self.limit is None) != (self.window is None):
            raise ValueError("limit and window belong together: give both")
        if (self.limit is None) == (not self.limits):
            raise ValueError("has no limit, or two kinds of it: give limit and window, or limits")
        windows = [limit.window for limit in self.limits]
        if len(set(windows)) != len(windows):
            raise ValueError("two limits have the same window: keep the lower one")
        return self

    def needs(self) -> Needs:
        return Needs(reply_headers=("ratelimit", "ratelimit-policy"))

    async def start(self, runtime: Runtime, /) -> None:
        limits = self.limits
        if self.limit is not None and self.window is not None:
            limits = [Limit(limit=self.limit, window=self.window)]
        self._limits = tuple((limit.limit, limit.window) for limit in limits)
        # RateLimit header fields for HTTP, draft-ietf-httpapi-ratelimit-headers-10, section 4.
        self._policy = ", ".join(f'"{window}s";q={limit};w={window}' for limit, window in self._limits)
        self._keys = [_reader(key) for key in ([self.by] if isinstance(self.by, str) else self.by)]
        self._scope = _part(str(runtime.scope))
        self._quiet_until = 0.0
        try:
            self._counters = open_counters(runtime.shared / "rate-limit")
            self._local = SharedCounters.private(runtime.shared) if self.on_storage_error == "local" else None
        except (OSError, StorageError) as error:
            raise StartError(f"the counters can't be opened ({error})") from error

    def on_request(self, request: Request, /) -> Reply | Awaitable[Reply]:
        charges = self._charges(request)
        try:
            usages = self._counters.try_take(charges)
        except StorageError as error:
            return self._uncounted(request, charges, error)
        return self._answer(request, usages) if usages else self._wait(request, charges)

    async def _wait(self, request: Request, charges: Sequence[Charge]) -> Reply:
        try:
            usages = await self._counters.take(charges)
        except StorageError as error:
            return self._uncounted(request, charges, error)
        return self._answer(request, usages)

    def _charges(self, request: Request) -> Sequence[Charge]:
        key = self._scope
        for read in self._keys:
            key += _part(read(request))
        return _charges_of(key if len(key) <= _LONGEST else _digest(key), self._limits)

    def _uncounted(self, request: Request, charges: Sequence[Charge], error: StorageError) -> Reply:
        self._report(error)
        if self.on_storage_error == "allow":
            return None
        try:
            usages = self._local.try_take(charges) if self._local else None
        except StorageError:
            usages = None
        return self._answer(request, usages) if usages else Refusal(503, "Requests can't be counted at the moment")

    def _answer(self, request: Request, usages: list[Usage]) -> Reply:
        told: list[str] = []
        wait = 0
        for window, remaining, reset, passed in usages:
            seconds = math.ceil(reset)
            told.append(f'"{window}s";r={remaining};t={seconds}')
            wait = wait if passed else max(wait, seconds)
        headers = request.reply_headers
        headers["ratelimit"] = ", ".join(told)
        headers["ratelimit-policy"] = self._policy
        return Refusal(429, "Too many requests", headers={"retry-after": str(wait)}) if wait else None

    def _report(self, error: StorageError) -> None:
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + _QUIET
            _log.error("requests can't be counted (%s): on_storage_error is %s", error, self.on_storage_error)


@lru_cache(maxsize=4096)
def _charges_of(key: str, limits: Iterable[tuple[int, int]]) -> Sequence[Charge]:
    encoded = key.encode("utf-8", "surrogatepass")
    return tuple(Charge(encoded, limit, window) for limit, window in limits)


def _digest(key: str) -> str:
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _part(text: str) -> str:
    """A part of a key, with its length before it: no choice of values makes one key look like another."""
    return f"{len(text)}:{text}"


def _reader(key: str) -> Callable[[Request], str]:
    """What tells the counter of one caller from those of others, with its kind before it."""
    kind, _, name = key.partition(":")
    if kind == "header":
        return lambda request: _given(request, request.headers.get(name))
    if kind == "claim":
        return lambda request: _given(request, member(request.claims, name))
    return _READERS[kind]


def _consumer(request: Request) -> str:
    return f"consumer {request.consumer.id}" if request.consumer else _credential(request)


def _credential(request: Request) -> str:
    return _address(request) if request.credential is None else f"credential {request.credential}"


def _address(request: Request) -> str:
    return _network(request.client)


def _given(request: Request, value: Any) -> str:
    return _address(request) if value is None else f"value {value}"


@lru_cache(maxsize=4096)
def _network(client: str) -> str:
    """The address, or of an IPv6 one the /64 network: whoever has one address of it has all of them."""
    if ":" not in client:
        return f"ip {client}"
    try:
        address = ip_address(client)
    except ValueError:
        return f"ip {client}"
    mapped = address.ipv4_mapped if address.version == 6 else None
    return f"ip {mapped or address.exploded[:19]}"


_READERS: dict[str, Callable[[Request], str]] = {
    "consumer": _consumer,
    "credential": _credential,
    "ip": _address,
    "route": lambda request: f"route {request.route.name}",
    "service": lambda request: f"service {request.route.service}",
}
