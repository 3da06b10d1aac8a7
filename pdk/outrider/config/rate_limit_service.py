"""The section `gateway.rate_limit_service`: limits that an Envoy asks for, by descriptors.

A domain has the format of a file of envoyproxy/ratelimit, so that such a file can be pasted.
"""

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, Final, Literal, Self, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from outrider.config.field_types import refusal
from outrider.config.mistake import shown
from outrider.config.where import Place
from outrider.counting import Algorithm, Namespace, OnStorageError, StorageAddress

Unit = Literal["second", "minute", "hour", "day", "week", "month", "year"]
UNITS: Final[Mapping[Unit, int]] = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86_400,
    "week": 7 * 86_400,
    "month": 30 * 86_400,
    "year": 365 * 86_400,
}
"""How long a unit is, in seconds. No calendar: every month has 30 days."""
WILD: Final = "*"

_UNSERVED: Mapping[str, str] = {
    "quota_mode": "remove it; shadow_mode counts without refusing",
    "metadata": "remove it; answers carry no metadata here",
}


def _in_lower_case(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class Replaced(BaseModel):
    """A limit that steps back where another one applies."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Annotated[str, Field(min_length=1, max_length=256)]
    """The other limit's `name`."""


class RateLimit(BaseModel):
    """So many requests in a unit of time."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    unit: Annotated[Unit | None, BeforeValidator(_in_lower_case)] = None
    """The window: second, minute, hour, day, week, month (30 days) or year (365 days)."""
    window: Annotated[int, Field(ge=1, le=366 * 86_400)] | None = None
    """The window in seconds, in place of `unit`."""
    requests_per_unit: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = None
    """How many requests pass in one window. With 0 none passes."""
    algorithm: Algorithm = "fixed-window"
    """How requests are counted. Windows that are fixed begin at whole multiples of their length since 1970."""
    burst: Annotated[int, Field(ge=1, le=2**32 - 1)] | None = None
    """For gcra: how many may come at once. Without it as many as `requests_per_unit`."""
    unlimited: bool = False
    """Counts nothing and refuses nothing."""
    name: Annotated[str, Field(max_length=256)] = ""
    """What an Envoy is told, and what `replaces` refers to."""
    replaces: list[Replaced] = []
    """Limits of the same request that this one takes the place of."""

    @property
    def seconds(self) -> int:
        """The length of the window."""
        return self.window or UNITS[self.unit or "second"]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = {"unit", "window", "requests_per_unit", "algorithm", "burst"} & self.model_fields_set
        if self.unlimited and given:
            raise refusal(f"unlimited stands beside {', '.join(sorted(given))}", "remove one or the other")
        if not self.unlimited and self.requests_per_unit is None:
            raise refusal("has no requests_per_unit", "add it, or unlimited: true")
        if not self.unlimited and (self.unit is None) == (self.window is None):
            raise refusal("has not exactly one of unit and window", "give it one of them")
        if self.burst is not None and self.algorithm != "gcra":
            raise refusal(f"burst belongs to gcra, not to {self.algorithm}", "remove it")
        if self.name and any(self.name == other.name for other in self.replaces):
            raise refusal(f"{shown(self.name)} replaces itself", "name another limit")
        return self


def _distinct(found: "list[Descriptor]") -> "list[Descriptor]":
    seen: set[tuple[str, str | None]] = set()
    for one in found:
        if (one.key, one.value) in seen:
            who = one.key if one.value is None else f"{one.key} {one.value}"
            raise refusal(f"two of them are {shown(who)}", "keep one")
        seen.add((one.key, one.value))
    return found


Descriptors = Annotated["list[Descriptor]", AfterValidator(_distinct)]


class Descriptor(BaseModel):
    """Which entry of a request's descriptor is meant, and what holds for it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    key: Annotated[str, Field(min_length=1, max_length=256)]
    """The key of the entry."""
    value: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Its value, in which a `*` stands for any characters. Without it every value, each with a count of its own."""
    rate_limit: RateLimit | None = None
    """The limit of a request's descriptor that ends here. Without it there is none."""
    descriptors: Descriptors = []
    """What may follow in the request's descriptor."""
    shadow_mode: bool = False
    """Counts, and refuses nobody: `outrider_rate_limit_service_total` tells what would have been refused."""
    share_threshold: bool = False
    """All values that match a `*` have one count together."""
    detailed_metric: bool = False
    """Without effect: what requests carry never becomes a metric."""
    value_to_metric: bool = False
    """Without effect: what requests carry never becomes a metric."""

    @model_validator(mode="before")
    @classmethod
    def _served(cls, given: Any) -> Any:
        names = set(cast("Mapping[str, object]", given)) if isinstance(given, Mapping) else set[str]()
        for name in _UNSERVED.keys() & names:
            raise refusal(f"{name} is envoyproxy/ratelimit's, and not supported here", _UNSERVED[name])
        return cast("object", given)

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.share_threshold and WILD not in (self.value or ""):
            remedy = 'write value: "*" for one count of all values, or remove it'
            raise refusal("share_threshold needs a value with a *", remedy)
        if self.shadow_mode and self.rate_limit is None:
            raise refusal("shadow_mode stands where no limit is", "move it to the entry that has rate_limit")
        return self


class Domain(BaseModel):
    """The limits that go by one name."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    domain: Annotated[str, Field(min_length=1, max_length=256)]
    """What an Envoy's filter calls it."""
    descriptors: Descriptors = []
    """The first entries of requests' descriptors."""

    @model_validator(mode="after")
    def _without_circles(self) -> Self:
        steps_back: dict[str, set[str]] = {}
        for _, one in walk(self.descriptors):
            if one.rate_limit is not None and not one.shadow_mode:
                names = {other.name for other in one.rate_limit.replaces}
                steps_back.setdefault(one.rate_limit.name, set()).update(names)
        try:
            TopologicalSorter(steps_back).prepare()
        except CycleError as error:
            circle = " and ".join(map(shown, sorted(set(cast("list[str]", error.args[1])))))
            raise refusal(
                f"{circle} replace each other, so none of them would hold", "take one out of `replaces`"
            ) from None
        return self


def walk(descriptors: Sequence[Descriptor], above: Place = ()) -> Iterator[tuple[Place, Descriptor]]:
    """Each descriptor with its place, from the top of the file down."""
    for index, one in enumerate(descriptors):
        place = (*above, "descriptors", index)
        yield place, one
        yield from walk(one.descriptors, place)


def _apart(found: Sequence[Domain]) -> Sequence[Domain]:
    names = [one.domain for one in found]
    for name in names:
        if names.count(name) > 1:
            raise refusal(f"two of them are called {shown(name)}", "put their descriptors into one")
    return found


class RateLimitService(BaseModel):
    """What the workers answer an Envoy's rate limit filter."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    domains: Annotated[list[Domain], Field(min_length=1), AfterValidator(_apart)]
    """The limits, each domain as envoyproxy/ratelimit has it in a file."""
    storage: StorageAddress = "memory"
    """Where the counts are: `memory` (shared by all workers of this machine), or the address of a Redis or Valkey
    that several machines share."""
    storage_timeout: Annotated[int, Field(ge=1, le=10_000)] = 100
    """How long a Redis or Valkey may take to answer, in milliseconds."""
    namespace: Namespace = "outrider"
    """What keeps counts of several gateways apart that share a Redis."""
    on_storage_error: OnStorageError = "deny"
    """What becomes of a request that can't be counted: refused, counted by this machine alone (with `memory`: by
    this worker alone), or let on."""

    @model_validator(mode="before")
    @classmethod
    def _at_its_level(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and "domain" in given:
            raise refusal("has domain one level too high", "write `domains:` above it, and `- ` before it")
        return cast("object", given)

    def descriptors(self) -> Iterator[tuple[Place, Domain, Descriptor]]:
        """Each descriptor of each domain, with its place in the section."""
        for index, domain in enumerate(self.domains):
            for place, one in walk(domain.descriptors, ("domains", index)):
                yield place, domain, one
