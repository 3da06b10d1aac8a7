"""The plugin rate-limit: so many requests in so many seconds, counted over all workers, or over machines."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from hashlib import sha256
from math import ceil
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from outrider import BodyReply, Needs, Plugin, Refusal, Reply, Request, Response, Runtime
from outrider.metrics import Counter, Metrics
from outrider.needs import Hook
from outrider_plugins.counted_by import WHOLE_NETWORK, By, PrefixLength, key_reader
from outrider_plugins.counting.algorithm import Algorithm, rule
from outrider_plugins.counting.opening import MEMORY, OnStorageError, known_address, open_storage
from outrider_plugins.counting.rule import Charge, Rule, Usage
from outrider_plugins.counting.storage import StorageError
from outrider_plugins.rate_limit_headers import Form, RateLimitHeaders, header_names
from outrider_plugins.response_cost import CostError, CostPlace, ResponseCost

_log = logging.getLogger("outrider.plugin.rate-limit")

_CHARGED = "rate-limit"
"""Under this name the request's context has the key that its response is charged to."""
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
    rare_hooks: ClassVar[frozenset[Hook]] = frozenset({"on_response", "on_response_body"})

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
    headers: Sequence[Form] = ("ietf",)
    """What downstream is told: `ietf` (`ratelimit`, `ratelimit-policy`), `x-ratelimit`, both, or nothing."""
    dry_run: bool = False
    """Counts, and refuses nobody: `outrider_rate_limit_dry_run_total` tells what would have become of requests."""
    storage: Annotated[Literal["memory"] | SecretStr, AfterValidator(known_address)] = Field(
        default=MEMORY, union_mode="left_to_right"
    )
    """Where the counters are: `memory` (shared by all workers of this machine), or the address of a Redis or Valkey
    that several machines share."""
    storage_timeout: Annotated[int, Field(ge=1, le=10_000)] = 100
    """How long the storage may take to answer, in milliseconds."""
    namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = "outrider"
    """What keeps counters of several gateways apart that share a Redis."""
    on_storage_error: OnStorageError = "deny"
    """What becomes of a request that can't be counted: refused with 503, counted by this machine alone (with
    `memory`: by this worker alone), or let on."""

    @model_validator(mode="after")
    def _has_limits(self) -> Self:
        if (self.limit is None) != (self.window is None):
            raise ValueError("limit and window belong together: give both")
        if (self.limit is None) == (not self.limits):
            raise ValueError("has no limit, or two kinds of it: give limit and window, or limits")
        if self.limits and self.burst is not None:
            raise ValueError("has burst beside limits: give each of limits its own")
        windows = [limit.window for limit in self.limits]
        if len(set(windows)) != len(windows):
            raise ValueError("two limits have the same window: keep the lower one")
        least = min(one.quota for one in self._rules())
        if self.cost > least:
            raise ValueError(f"cost is {self.cost}, and a limit lets only {least} pass at once: no request would")
        return self

    def needs(self) -> Needs:
        told = () if self.dry_run else header_names(self.headers)
        if self.response_cost is None:
            return Needs(hooks=frozenset({"on_request"}), reply_headers=told)
        if ResponseCost(self.response_cost).in_body:
            return Needs(reply_headers=told)
        return Needs(hooks=frozenset({"on_request", "on_response"}), reply_headers=told)

    async def start(self, runtime: Runtime, /) -> None:
        limits, rules = self._all_limits(), self._rules()
        self._key = key_reader(self.by, str(runtime.scope), self.ipv6_prefix)
        self._charges = lru_cache(4096)(partial(_charges, rules, self.cost))
        self._owed = ResponseCost(self.response_cost) if self.response_cost else None
        self._headers = RateLimitHeaders(self.headers, rules, [limit.window for limit in limits])
        self._dry = lru_cache(maxsize=None)(partial(_dry_run, runtime.metrics)) if self.dry_run else None
        self._storage = open_storage(
            self.storage,
            runtime.shared,
            _log,
            on_error=self.on_storage_error,
            timeout=self.storage_timeout / 1000,
            namespace=self.namespace,
        )

    async def stop(self) -> None:
        await self._storage.close()

    def on_request(self, request: Request, /) -> Reply | Awaitable[Reply]:
        key = self._key(request)
        if self._owed is not None:
            # Whoever else sees the context need not know what is counted by.
            key = request.context[_CHARGED] = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        charges = self._charges(key)
        try:
            usages = self._storage.try_take(charges)
        except StorageError:
            return self._uncounted()
        return self._answer(request, usages) if usages else self._wait(request, charges)

    async def _wait(self, request: Request, charges: Sequence[Charge]) -> Reply:
        try:
            usages = await self._storage.take(charges)
        except StorageError:
            return self._uncounted()
        return self._answer(request, usages)

    def _uncounted(self) -> Reply:
        if self.dry_run or self.on_storage_error == "allow":
            return None
        return Refusal(503, "Requests can't be counted at the moment")

    def _answer(self, request: Request, usages: Sequence[Usage]) -> Reply:
        passed = all(usage.passed for usage in usages)
        if self._dry is not None:
            self._dry(request.route.name, "passed" if passed else "refused").add()
            return None
        self._headers.tell(request.reply_headers, usages)
        if passed:
            return None
        wait = max(ceil(usage.retry) for usage in usages)
        return Refusal(429, "Too many requests", headers={"retry-after": str(wait)})

    def on_response(self, request: Request, response: Response, /) -> Reply | Awaitable[Reply]:
        owed = self._owed
        if owed is not None and not owed.in_body:
            return self._charge(request, partial(owed.of_headers, response))
        if owed is not None and not owed.is_in(response):
            response.skip_body()
        return None

    def on_response_body(self, request: Request, _: Response, body: bytes, /) -> BodyReply | Awaitable[BodyReply]:
        return self._charge(request, partial(self._owed.of_body, body)) if self._owed else None

    def _charge(self, request: Request, read: Callable[[], int]) -> Awaitable[None] | None:
        """Charges what the request cost above what was charged before."""
        try:
            owed = read() - self.cost
        except CostError as error:
            _log.warning("%s: the request costs what it was charged at first", error)
            return None
        key: str | None = request.context.get(_CHARGED)
        if owed <= 0 or key is None:
            return None
        charges = [charge._replace(cost=owed) for charge in self._charges(key)]
        with suppress(StorageError):
            # The log has it. Upstream did its work: to keep the response back would undo nothing.
            return None if self._storage.try_take(charges, owed=True) else self._charge_later(charges)
        return None

    async def _charge_later(self, charges: Sequence[Charge]) -> None:
        with suppress(StorageError):
            await self._storage.take(charges, owed=True)

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
