"""The filters of an Envoy that ask the workers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from outrider_envoy.inspection.dump import Envoy
from outrider_envoy.inspection.listeners import Filter, Manager
from outrider_envoy.inspection.section import part, text
from outrider_envoy.inspection.wanted import Wanted
from outrider_envoy.render.clusters import WORKERS
from outrider_envoy.render.plan import Plan, Section

PROTOCOLS: Mapping[str, str] = {"ExternalProcessor": "ext_proc", "ExtAuthz": "ext_authz"}
RATE_LIMIT = "RateLimit"


@dataclass(frozen=True)
class Asker:
    """A filter that asks the workers, in its manager, and the plan of the file."""

    manager: Manager
    filter: Filter
    plan: Plan

    @property
    def config(self) -> Section:
        return self.filter.config

    @cached_property
    def anything(self) -> Wanted:
        """What all chains want: any of them may run where Envoy names none."""
        return Wanted.by(self.plan.chains.values())

    @property
    def where(self) -> str:
        return self.manager.where

    @property
    def protocol(self) -> str:
        """As `gateway.protocol` spells it."""
        return PROTOCOLS[self.filter.kind]

    @property
    def grpc_service(self) -> Section:
        return service_of(self.filter)

    @property
    def cluster(self) -> str:
        """The cluster that it asks; "" if it asks over google_grpc or HTTP."""
        return cluster_of(self.grpc_service)

    @property
    def before(self) -> tuple[Filter, ...]:
        """The filters that a request meets first."""
        return self.manager.filters[: self._place]

    @property
    def behind(self) -> tuple[Filter, ...]:
        """The filters that a request meets after it."""
        return self.manager.filters[self._place + 1 :]

    @cached_property
    def _place(self) -> int:
        return next(place for place, one in enumerate(self.manager.filters) if one is self.filter)


def service_of(one: Filter) -> Section:
    """The gRPC service that a filter asks."""
    config = part(one.config, "rate_limit_service") if one.kind == RATE_LIMIT else one.config
    return part(config, "grpc_service")


def cluster_of(service: Section) -> str:
    return text(part(service, "envoy_grpc"), "cluster_name")


def askers_of(envoy: Envoy, plan: Plan) -> list[Asker]:
    """Those that ask the cluster of the workers; where it has another name, all those of the protocol of the file."""
    found = list(_filters(envoy, plan))
    named = [one for one in found if one.cluster == WORKERS]
    if named or not any(chain.slots for chain in plan.chains.values()):
        return named
    return [one for one in found if one.protocol == plan.configuration.gateway.protocol]


def limiters_of(envoy: Envoy, plan: Plan) -> list[Asker]:
    """The rate limit filters that ask the workers; where none asks a cluster of that name, all of them."""
    found = [
        Asker(manager, one, plan)
        for manager in envoy.listeners.managers
        for one in manager.filters
        if one.kind == RATE_LIMIT
    ]
    named = [one for one in found if one.cluster == WORKERS]
    serves = plan.configuration.gateway.rate_limit_service is not None
    return named or (found if serves else [])


def _filters(envoy: Envoy, plan: Plan) -> Iterator[Asker]:
    for manager in envoy.listeners.managers:
        yield from (Asker(manager, one, plan) for one in manager.filters if one.kind in PROTOCOLS)
