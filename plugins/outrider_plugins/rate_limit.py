"""The plugin rate-limit: so many requests in so many seconds, counted over all workers, or over machines."""

import logging
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from hashlib import sha256
from math import ceil
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from outrider import LogRecord, Needs, Plugin, Refusal, Reply, Request, Response, Runtime
from outrider.counting import Algorithm, Namespace, OnStorageError, StorageAddress
from outrider.metrics import Counter, Metrics
from outrider.needs import Hook
from outrider.quiet_log import QuietLog
from outrider_plugins.counted_by import WHOLE_NETWORK, By, PrefixLength, key_reader
from outrider_plugins.counting.algorithm import rule
from outrider_plugins.counting.opening import MEMORY, known_address, longest_wait, open_storage
from outrider_plugins.counting.rule import Charge, Rule, Usage
from outrider_plugins.counting.storage import StorageError
from outrider_plugins.counting.watched import uncounted_counter
from outrider_plugins.owed import Owed
from outrider_plugins.rate_limit_headers import Form, RateLimitHeaders, header_names
from outrider_plugins.response_cost import CostPlace, ResponseCost

_log = logging.getLogger("outrider.plugin.rate-limit")

Many = Annotated[int, Field(ge=1, le=1_000_000_000_000)]
Seconds = Annotated[int, Field(ge=1, le=366 * 86_400)]


class Limit(BaseModel):
    """So much in so many seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    limit: Many
    """How many requests; where they have a cost, how much of it."""
    window: Seconds
    """In how many seconds."""
    burst: Many | None = None
    """For gcra: how many may come at once. Without it as many as `limit`."""


class RateLimit(Plugin):
    """Refuses requests over a limit with 429, and tells everybody how much is left.

    A request that is refused is not counted.
    """

    priority: ClassVar[int] = 910
    rare_hooks: ClassVar[frozenset[Hook]] = frozenset({"on_response", "on_response_body", "on_log"})

    limit: Many | None = None
    """How many requests pass in one window; where they have a cost, how much of it."""
    window: Seconds | None = None
    """How long a window is, in seconds. Windows begin at whole multiples of it since the Unix epoch."""
    burst: Many | None = None
    """For gcra: how many requests may come at once. Without it as many as `limit`."""
    limits: Annotated[Sequence[Limit], Field(max_length=8)] = ()
    """Several limits that all must hold, in place of `limit`, `window` and `burst`."""
    by: By = "consumer"
    """What has a counter of its own: `consumer`, `credential`, `ip`, `header:NAME`, `claim:NAME`, `route`, `service`.
    A list means every combination. Where there is no consumer the credential counts, and where there is none of
    these the client's address."""
    ipv6_prefix: PrefixLength = WHOLE_NETWORK
    """How many bits of an IPv6 address count: whoever has one address of a network has all of them."""
    algorithm: Algorithm = "fixed-window"
    """How requests are counted: `fixed-window`, `sliding-window` or `gcra`."""
    cost: Many = 1
    """How much of the limits one request uses up."""
    response_cost: CostPlace | None = None
    """Where a response tells what its request cost: `header:NAME`, or `json:` and a JSON pointer into its body.
    What is above `cost` is charged then, and keeps later requests waiting."""
    unknown_cost: Many | None = None
    """What a request costs all together whose response does not tell, or does not come since its caller left.
    Without it as much as `cost`."""
    hide_response_cost: bool = False
    """Takes the header that tells the cost out of the response. A plugin that runs before this one on responses, such
    as response-transform, must leave it there."""
    headers: Sequence[Form] = ("ietf",)
    """What downstream is told: `ietf` (`ratelimit`, `ratelimit-policy`), `x-ratelimit`, both, or nothing."""
    dry_run: bool = False
    """Counts, and refuses nobody: `outrider_rate_limit_dry_run_total` tells what would have become of requests."""
    storage: Annotated[StorageAddress, AfterValidator(known_address)] = MEMORY
    """Where the counters are: `memory` (shared by all workers of this machine), or the address of a Redis or Valkey
    that several machines share."""
    storage_timeout: Annotated[int, Field(ge=1, le=10_000)] = 100
    """How long a Redis or Valkey may take to answer, in milliseconds."""
    namespace: Namespace = "outrider"
    """What keeps counters of several gateways apart that share a Redis."""
    on_storage_error: OnStorageError = "deny"
    """What becomes of a request that can't be counted: refused with 503, counted by this machine alone (with
    `memory`: by this worker alone), or let on."""

    @model_validator(mode="after")
    def _has_limits(self) -> Self:
        if (self.limit is None) != (self.window is None):
            missing = "limit" if self.limit is None else "window"
            raise ValueError(f"limit and window belong together: add {missing}")
        if self.limit is None and not self.limits:
            raise ValueError("has no limit: give limit and window, or limits")
        if self.limit is not None and self.limits:
            raise ValueError("has limit and window beside limits: remove one kind")
        if self.limits and self.burst is not None:
            raise ValueError("has burst beside limits: give each of limits its own")
        windows = [limit.window for limit in self.limits]
        if len(set(windows)) != len(windows):
            raise ValueError("two limits have the same window: keep the lower one")
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.response_cost is None and self.unknown_cost is not None:
            raise ValueError("has unknown_cost without response_cost: add it, or remove unknown_cost")
        if self.hide_response_cost and not (self.response_cost or "").startswith("header:"):
            raise ValueError("has hide_response_cost, and no response_cost in a header: remove hide_response_cost")
        waits = longest_wait(self.storage, self.storage_timeout)
        if self.on_storage_error != "deny" and waits >= self.timeout:
            raise ValueError(
                f"a check may take {waits} ms, and the hook has only {self.timeout}, so that on_storage_error would "
                "never decide: lower storage_timeout, or give a longer timeout"
            )
        least = min(one.quota for one in self._rules())
        if self.cost > least:
            raise ValueError(f"cost is {self.cost}, and a limit lets only {least} pass at once: no request would")
        return self

    def needs(self) -> Needs:
        hooks: set[Hook] = {"on_request"}
        if self.response_cost is not None:
            in_body = ResponseCost(self.response_cost).in_body
            hooks |= {"on_response", "on_response_body"} if in_body else {"on_response"}
            hooks |= {"on_log"} if self.unknown_cost is not None else set()
        told = () if self.dry_run else header_names(self.headers)
        return Needs(hooks=frozenset(hooks), reply_headers=told)

    async def start(self, runtime: Runtime, /) -> None:
        limits, rules = self._all_limits(), self._rules()
        self._key = key_reader(self.by, str(runtime.scope), self.ipv6_prefix)
        self._charges = lru_cache(4096)(partial(_charges, rules, self.cost))
        self._headers = RateLimitHeaders(self.headers, rules, [limit.window for limit in limits])
        self._dry = lru_cache(maxsize=None)(partial(_dry_run, runtime.metrics)) if self.dry_run else None
        self._storage = open_storage(
            self.storage,
            runtime.shared,
            _log,
            uncounted_counter(runtime.metrics, "rate-limit"),
            on_error=self.on_storage_error,
            timeout=self.storage_timeout / 1000,
            namespace=self.namespace,
        )
        self._owed = self._owing(runtime)
        if self.storage != MEMORY:
            runtime.spawn(self._look(rules[0]))

    def _owing(self, runtime: Runtime) -> Owed | None:
        if self.response_cost is None:
            return None
        cost, unknown = ResponseCost(self.response_cost), self.unknown_cost or self.cost
        log = QuietLog(_log)
        return Owed(self._storage, self._charges, cost, log, runtime.spawn, paid=self.cost, unknown=unknown)

    async def _look(self, rule: Rule) -> None:
        """Connects before the first request comes; whoever starts it hears at once that nobody answers."""
        with suppress(StorageError):
            await self._storage.take([Charge(rule, b"", 0)])

    async def stop(self) -> None:
        await self._storage.close()

    def on_request(self, request: Request, /) -> Reply | Awaitable[Reply]:
        key = self._key(request)
        if self._owed is not None:
            # It goes into the request's context, and whoever else looks there need not know what is counted by.
            key = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        charges = self._charges(key)
        try:
            usages = self._storage.try_take(charges)
        except StorageError:
            return self._uncounted(request, key)
        return self._answer(request, key, usages) if usages else self._wait(request, key, charges)

    async def _wait(self, request: Request, key: str, charges: Sequence[Charge]) -> Reply:
        try:
            usages = await self._storage.take(charges)
        except StorageError:
            return self._uncounted(request, key)
        return self._answer(request, key, usages)

    def _uncounted(self, request: Request, key: str) -> Reply:
        if self.dry_run or self.on_storage_error == "allow":
            return self._let_on(request, key)
        return Refusal(503, "Requests can't be counted at the moment", headers={"retry-after": "1"})

    def _answer(self, request: Request, key: str, usages: Sequence[Usage]) -> Reply:
        passed = all(usage.passed for usage in usages)
        if self._dry is not None:
            self._dry(request.route.name, "passed" if passed else "refused").add()
            return self._let_on(request, key) if passed else None
        self._headers.tell(request.reply_headers, usages)
        if passed:
            return self._let_on(request, key)
        wait = max(ceil(usage.retry) for usage in usages)
        return Refusal(429, "Too many requests", headers={"retry-after": str(wait)})

    def _let_on(self, request: Request, key: str) -> Reply:
        if self._owed is not None:
            self._owed.begin(request, key)
        return None

    def on_response(self, request: Request, response: Response, /) -> None:
        if self._owed:
            self._owed.answered(request, response, hide=self.hide_response_cost)

    def on_response_body(self, request: Request, _: Response, body: bytes, /) -> None:
        if self._owed:
            self._owed.answered_body(request, body)

    def on_log(self, request: Request, _: LogRecord, /) -> None:
        if self._owed:
            self._owed.ended(request)

    def _all_limits(self) -> Sequence[Limit]:
        if self.limit is None or self.window is None:
            return self.limits
        return [Limit(limit=self.limit, window=self.window, burst=self.burst)]

    def _rules(self) -> tuple[Rule, ...]:
        return tuple(rule(self.algorithm, one.limit, one.window, one.burst) for one in self._all_limits())


def _dry_run(metrics: Metrics, route: str, outcome: str) -> Counter:
    help_ = "What would have become of requests under a rate-limit with dry_run."
    return metrics.counter("outrider_rate_limit_dry_run_total", help_, route=route, outcome=outcome)


def _charges(rules: Sequence[Rule], cost: int, key: str) -> tuple[Charge, ...]:
    encoded = key.encode("utf-8", "surrogatepass")
    return tuple(Charge(one, encoded, cost) for one in rules)
