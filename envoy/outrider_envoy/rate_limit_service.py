"""The rate limit service as a state machine: one message in, one out, no I/O."""

import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol, cast

from outrider.config.rate_limit_service import RateLimitService
from outrider.errors import OutriderError
from outrider.metrics import Counter, Metrics
from outrider.pressure import Pressure
from outrider.quiet_log import QuietLog
from outrider.waiting import Done, Wait, begin
from outrider_envoy.asked_limits import DESCRIPTORS, MOST, Asked, asked_limits
from outrider_envoy.descriptors import Found, Limit, Tree
from outrider_envoy.proto.rate_limit_pb2 import RateLimitRequest
from outrider_envoy.told_limits import NO_LIMIT, REFUSED, UNLIMITED, Usage, passed, refused, status

_log = logging.getLogger("outrider.envoy")

PATIENCE: Final = 15.0
"""How long a limiter may take that does not give up by itself, in seconds."""


class Hits(NamedTuple):
    """How much of a limit a key uses up; `used` if that was used up already, whether there is room or not."""

    limit: Limit
    key: bytes
    cost: int
    used: bool = False


class Limiter(Protocol):
    """Counts a request in all of its limits, or in none if one of them has no room; with `owed` always in all."""

    def try_take(self, hits: Sequence[Hits], *, owed: bool = False) -> Sequence[Usage] | None:
        """Counts at once, or returns None: then it is `take` that can. Raises `OutriderError` if nobody can."""

    def take(self, hits: Sequence[Hits], *, owed: bool = False) -> Awaitable[Sequence[Usage]]:
        """Counts, and may wait for it. Raises `OutriderError`."""
        ...


class _Domain(NamedTuple):
    tree: Tree
    outcomes: Mapping[str, Counter]


_Usages = Mapping[bytes, Usage]
Answering = Generator[Wait, None, bytes]
"""Yields each wait, to be resumed when it has settled, and returns the answer."""


class RateLimits:
    """The service in one worker.

    A request that is over one of its limits consumes nothing of the others. What can't be judged is refused as if it
    were over a limit: an Envoy without `failure_mode_deny` lets a request on after an error.
    """

    def __init__(
        self,
        service: RateLimitService,
        metrics: Metrics,
        limiter: Limiter,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._domains = {one.domain: _Domain(Tree(one), _outcomes(metrics, one.domain)) for one in service.domains}
        self._unknown = _outcomes(metrics, "")
        self._limiter = limiter
        self._allows = service.on_storage_error == "allow"
        self._strange, self._refused, self._let_on = (QuietLog(_log, clock) for _ in range(3))

    def answer(self, message: RateLimitRequest) -> Answering:
        """What Envoy is told."""
        domain = self._domains.get(message.domain)
        if domain is None:
            # As envoyproxy/ratelimit does.
            self._strange.warning("an Envoy asks for a domain that is not in the file: its requests have no limit")
            self._unknown["ok"].add()
            return passed(_each(NO_LIMIT, message))
        try:
            answer, outcome = yield from self._judged(asked_limits(domain.tree, message))
        except Exception as error:  # noqa: BLE001 - whatever it is, the request must not pass
            self._refused.error("rate limit requests are refused: %s", _reason(error))
            return self.refuse(message)
        domain.outcomes[outcome].add()
        return answer

    def refuse(self, message: RateLimitRequest) -> bytes:
        """The answer to a request that was not judged."""
        domain = self._domains.get(message.domain)
        (domain.outcomes if domain else self._unknown)["error"].add()
        return refused(_each(REFUSED, message), 1.0)

    def refuse_unread(self) -> bytes:
        """The answer to bytes that are no message, or too many."""
        self._refused.error("rate limit requests are refused: one is no protobuf of its kind, or too long")
        return self.refuse(RateLimitRequest())

    def _judged(self, asked: Sequence[Asked]) -> Generator[Wait, None, tuple[bytes, str]]:
        enforced, shadows = _hits(asked)
        usages = yield from self._counted(enforced, refuses=not self._allows)
        retries = [usage.retry for usage in usages.values() if not usage.passed]
        shadowed = False
        for hits in shadows:
            # In shadow mode, too, a request that is refused consumes nothing.
            alone = {hits.key: hits._replace(cost=0) if retries and not hits.used else hits}
            shadow = yield from self._counted(alone, refuses=False)
            shadowed = shadowed or not all(usage.passed for usage in shadow.values())
            usages.update(shadow)
        statuses = [_status(one.found, usages) for one in asked]
        if retries:
            return refused(statuses, max(retries)), "over_limit"
        return passed(statuses), "shadow" if shadowed else "ok"

    def _counted(self, batch: Mapping[bytes, Hits], *, refuses: bool) -> Generator[Wait, None, dict[bytes, Usage]]:
        usages = dict((yield from self._taken(batch, refuses=refuses)))
        if not all(usage.passed for usage in usages.values()):
            # Envoy tells it when a request has ended (`apply_on_stream_done`): else it would never be counted.
            used = {key: hits for key, hits in batch.items() if hits.used and hits.cost}
            owed = yield from self._taken(used, refuses=refuses, owed=True)
            usages.update({key: _now(usages[key], usage) for key, usage in owed.items()})
        return usages

    def _taken(
        self, batch: Mapping[bytes, Hits], *, refuses: bool, owed: bool = False
    ) -> Generator[Wait, None, _Usages]:
        if not batch:
            return {}
        try:
            usages = yield from _from(self._limiter, list(batch.values()), owed=owed)
        except OutriderError as error:
            if refuses:
                raise
            self._let_on.error("requests are let on without a limit: %s", error)
            return {}
        return dict(zip(batch, usages, strict=True))


class RateLimitCheck:
    """One call of the service.

    `receive` gives the answer in bytes, or a `Wait`: let it settle, then call `resume`. `close` at the end.
    """

    def __init__(self, limits: RateLimits, pressure: Pressure | None = None) -> None:
        self._limits = limits
        self._pressure = pressure
        self._answering: Answering | None = None

    def receive(self, message: RateLimitRequest, now: float = 0.0, /) -> bytes | Wait:
        """The answer to the message, which was read at `now`."""
        if self._pressure is not None and self._pressure.sheds(now):
            return self._limits.refuse(message)
        self._answering = self._limits.answer(message)
        return self.resume()

    def refuse_unread(self) -> bytes:
        """The answer to what is no message."""
        return self._limits.refuse_unread()

    def resume(self) -> bytes | Wait:
        """Goes on after the `Wait` has settled."""
        try:
            return next(cast("Answering", self._answering))
        except StopIteration as stop:
            return cast("bytes", stop.value)

    def close(self) -> None:
        """The call is over: what still waited is left."""
        if self._answering is not None:
            self._answering.close()


def _hits(asked: Iterable[Asked]) -> tuple[dict[bytes, Hits], list[Hits]]:
    """What must find room, once for each key, and what is in shadow mode."""
    enforced: dict[bytes, Hits] = {}
    shadows: list[Hits] = []
    for found, cost, used in asked:
        if found is None or found.applied.limit is None:
            continue
        hits = Hits(found.applied.limit, found.key, cost, used)
        if found.applied.shadow:
            shadows.append(hits)
        else:
            other = enforced.get(found.key)
            enforced[found.key] = _both(hits, other) if other else hits
    return enforced, shadows


def _both(one: Hits, other: Hits) -> Hits:
    """Two descriptors of a message that have the same count."""
    stricter = min(one.limit, other.limit, key=lambda limit: limit.quota)
    return Hits(stricter, one.key, min(one.cost + other.cost, MOST), one.used or other.used)


def _from(limiter: Limiter, hits: Sequence[Hits], *, owed: bool) -> Generator[Wait, None, Sequence[Usage]]:
    if (usages := limiter.try_take(hits, owed=owed)) is not None:
        return usages
    begun = begin(limiter.take(hits, owed=owed), PATIENCE)
    if isinstance(begun, Done):
        return cast("Sequence[Usage]", begun.value)
    try:
        yield begun
    except GeneratorExit:
        begun.close()
        raise
    return cast("Sequence[Usage]", begun.take())


class _Now(NamedTuple):
    passed: bool
    remaining: int
    reset: float
    retry: float


def _now(judged: Usage, owed: Usage) -> Usage:
    """What a limit says that refused a request, or had room for it, and then counted what was used up anyway."""
    return _Now(judged.passed, owed.remaining, owed.reset, 0.0 if judged.passed else owed.reset)


def _each(status: bytes, message: RateLimitRequest) -> list[bytes]:
    # Envoy goes by the overall code, however many statuses there are.
    return [status] * min(len(message.descriptors), DESCRIPTORS)


def _status(found: Found | None, usages: _Usages) -> bytes:
    if found is None:
        return NO_LIMIT
    if found.applied.limit is None:
        return UNLIMITED
    usage = usages.get(found.key)
    # Not counted, and let on.
    return NO_LIMIT if usage is None else status(found.applied, usage)


def _outcomes(metrics: Metrics, domain: str) -> Mapping[str, Counter]:
    name, help_ = "outrider_rate_limit_service_total", "What an Envoy's rate limit filter was told."
    outcomes = ("ok", "over_limit", "shadow", "error")
    return {one: metrics.counter(name, help_, domain=domain, outcome=one) for one in outcomes}


def _reason(error: Exception) -> str:
    if isinstance(error, OutriderError):
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
