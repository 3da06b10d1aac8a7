"""The rate limit service as a state machine: one message in, one out, no I/O."""

import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol, cast

from outrider.config.rate_limits import RateLimitService
from outrider.errors import OutriderError
from outrider.metrics import Counter, Metrics
from outrider.pressure import Pressure
from outrider.waiting import Done, Wait, begin
from outrider_envoy.asked_limits import MOST, Asked, asked_limits
from outrider_envoy.descriptors import Found, Limit, Tree
from outrider_envoy.proto.rate_limit_pb2 import RateLimitRequest
from outrider_envoy.told_limits import NO_LIMIT, REFUSED, UNLIMITED, Usage, passed, refused, status

_log = logging.getLogger("outrider.envoy")

PATIENCE: Final = 15.0
"""How long a limiter may take that does not give up by itself, in seconds."""
_QUIET: Final = 60.0  # seconds between two log lines that say the same
_REMEMBERED: Final = 16  # different lines


class Charge(NamedTuple):
    """So much of a limit that a key uses up."""

    limit: Limit
    key: bytes
    cost: int


class Limiter(Protocol):
    """Counts a request in all of its charges, or in none if one of them has no room."""

    def try_take(self, charges: Sequence[Charge]) -> Sequence[Usage] | None:
        """Counts at once, or returns None: then it is `take` that can. Raises `OutriderError` if nobody can."""

    def take(self, charges: Sequence[Charge]) -> Awaitable[Sequence[Usage]]:
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
        self._clock, self._quiet_until = clock, dict[str, float]()

    def answer(self, message: RateLimitRequest) -> Answering:
        """What Envoy is told."""
        domain = self._domains.get(message.domain)
        if domain is None:
            # As envoyproxy/ratelimit does.
            self._warn("an Envoy asks for a domain that the file does not have: its requests have no limit")
            self._unknown["ok"].add()
            return passed([NO_LIMIT] * len(message.descriptors))
        try:
            answer, outcome = yield from self._judged(asked_limits(domain.tree, message))
        except Exception as error:  # noqa: BLE001 - whatever it is, the request must not pass
            self._warn(f"rate limit requests are refused: {_reason(error)}")
            return self.refuse(message)
        domain.outcomes[outcome].add()
        return answer

    def refuse(self, message: RateLimitRequest) -> bytes:
        """The answer to a request that was not judged."""
        domain = self._domains.get(message.domain)
        (domain.outcomes if domain else self._unknown)["error"].add()
        return refused([REFUSED] * len(message.descriptors), 1.0)

    def _judged(self, asked: Sequence[Asked]) -> Generator[Wait, None, tuple[bytes, str]]:
        enforced, shadows = _charges(asked)
        usages = dict((yield from self._taken(enforced, refuses=not self._allows)))
        retries = [usage.retry for usage in usages.values() if not usage.passed]
        shadowed = False
        for charge in shadows:
            # In shadow mode, too, a request that is refused consumes nothing.
            alone = {charge.key: charge._replace(cost=0) if retries else charge}
            shadow = yield from self._taken(alone, refuses=False)
            shadowed = shadowed or not all(usage.passed for usage in shadow.values())
            usages.update(shadow)
        statuses = [_status(found, usages) for found, _ in asked]
        if retries:
            return refused(statuses, max(retries)), "over_limit"
        return passed(statuses), "shadow" if shadowed else "ok"

    def _taken(self, batch: Mapping[bytes, Charge], *, refuses: bool) -> Generator[Wait, None, _Usages]:
        if not batch:
            return {}
        try:
            usages = yield from _from(self._limiter, list(batch.values()))
        except OutriderError as error:
            if refuses:
                raise
            self._warn(f"requests are let on without a limit: {error}")
            return {}
        return dict(zip(batch, usages, strict=True))

    def _warn(self, words: str) -> None:
        # As many lines as requests would hide all others.
        now = self._clock()
        if now >= self._quiet_until.get(words, now):
            if len(self._quiet_until) >= _REMEMBERED:
                self._quiet_until.clear()
            self._quiet_until[words] = now + _QUIET
            _log.warning("%s", words)


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


def _charges(asked: Iterable[Asked]) -> tuple[dict[bytes, Charge], list[Charge]]:
    """What must find room, with one charge for each key, and what is in shadow mode."""
    enforced: dict[bytes, Charge] = {}
    shadows: list[Charge] = []
    for found, cost in asked:
        if found is None or found.applied.limit is None:
            continue
        charge = Charge(found.applied.limit, found.key, cost)
        if found.applied.shadow:
            shadows.append(charge)
        else:
            other = enforced.get(found.key)
            enforced[found.key] = _both(charge, other) if other else charge
    return enforced, shadows


def _both(one: Charge, other: Charge) -> Charge:
    """Two descriptors of a message that have the same count."""
    stricter = min(one.limit, other.limit, key=lambda limit: limit.quota)
    return Charge(stricter, one.key, min(one.cost + other.cost, MOST))


def _from(limiter: Limiter, charges: Sequence[Charge]) -> Generator[Wait, None, Sequence[Usage]]:
    if (usages := limiter.try_take(charges)) is not None:
        return usages
    begun = begin(limiter.take(charges), PATIENCE)
    if isinstance(begun, Done):
        return cast("Sequence[Usage]", begun.value)
    try:
        yield begun
    except GeneratorExit:
        begun.close()
        raise
    return cast("Sequence[Usage]", begun.take())


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
