"""Which ways through an Envoy lead past the workers, and which routes of the file no way leads to."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from outrider.needs import RESPONSE_HOOKS
from outrider_envoy.inspection.askers import Asker
from outrider_envoy.inspection.dump import Envoy
from outrider_envoy.inspection.finding import Rule, Words, mistake, warning
from outrider_envoy.inspection.listeners import Manager, Tunnel
from outrider_envoy.inspection.passages import Passage
from outrider_envoy.render.plan import Plan
from outrider_envoy.selection import ROUTE_KEY

_SILENT = (1, 36)
_FLAG = "envoy.reloadable_features.skip_ext_proc_on_local_reply"


@dataclass(frozen=True)
class Whole:
    """The whole Envoy: its filters that ask the workers, and what each route of theirs says."""

    envoy: Envoy
    plan: Plan
    askers: list[Asker]
    limiters: list[Asker]
    passages: list[Passage]

    @cached_property
    def protected(self) -> frozenset[str]:
        """The clusters that requests with plugins go to."""
        return frozenset(
            name
            for one in self.passages
            if one.runs and (one.wanted.routes or one.hidden)
            for name in one.route.clusters
        )


@dataclass(frozen=True, slots=True)
class Bypass:
    """A manager or TCP proxy without a filter that asks the workers."""

    way: Manager | Tunnel
    whole: Whole


def http_past_the_workers(bypass: Bypass) -> Words:
    if not isinstance(bypass.way, Manager):
        return
    leading = [route for route in bypass.way.routes if route.forwards]
    if bypass.way.unknown:
        yield mistake(
            f"no filter of it asks the workers, and {bypass.way.unknown}, so it may lead to what plugins guard",
            "give it a route_config, or rds with a table that has come",
        )
    elif any(not route.clusters or route.clusters & bypass.whole.protected for route in leading):
        yield mistake(
            "no filter of it asks the workers, and it leads to where plugins guard the way elsewhere",
            "put the filters of render envoy --filters into it",
        )
    elif leading:
        yield warning(
            "no filter of it asks the workers, so no plugin runs there",
            "put the filters of render envoy --filters into it, if it should",
        )


def tcp_past_the_workers(bypass: Bypass) -> Words:
    if isinstance(bypass.way, Tunnel) and bypass.way.clusters & bypass.whole.protected:
        yield mistake(
            "it is a TCP proxy, and it leads to where plugins guard the way elsewhere",
            "make it an HttpConnectionManager with the filters of render envoy --filters",
        )


BYPASS_RULES: Final[tuple[Rule[Bypass], ...]] = (http_past_the_workers, tcp_past_the_workers)


def nobody_asks(whole: Whole) -> Words:
    protocol = whole.plan.configuration.gateway.protocol
    if any(chain.slots for chain in whole.plan.chains.values()) and not whole.askers:
        yield mistake(
            f"no {protocol} filter of any listener asks the workers, so no plugin runs",
            "put the filters of render envoy --filters into your HttpConnectionManager",
        )


def nobody_limits(whole: Whole) -> Words:
    if whole.plan.configuration.gateway.rate_limit_service is not None and not whole.limiters:
        yield mistake(
            "no rate limit filter asks the workers, so gateway.rate_limit_service holds for nobody",
            "add one: see docs/rate-limit-service.md",
        )


def unreached(whole: Whole) -> Words:
    """A route that is not named runs if host and path choose it."""
    running = [one for one in whole.passages if one.runs]
    if not whole.askers or any(not one.named for one in running):
        return
    named = {one.named for one in running}
    for name, chain in whole.plan.chains.items():
        if chain.slots and name not in named:
            yield mistake(
                f"no route of this Envoy names the route {name} of the file, so its plugins run for nobody",
                f"give a route what render envoy --filters prints for it, with {ROUTE_KEY}: {name}",
            )


def proxies_address(whole: Whole) -> Words:
    managers = [one.manager.config for one in whole.askers]
    believing = any(config.get("original_ip_detection_extensions") for config in managers)
    if whole.plan.configuration.gateway.trusted_ips and managers and not believing:
        yield mistake(
            "no listener believes gateway.trusted_ips, so plugins take a proxy's address for the client's",
            "add the filter chain behind_trusted_proxies of render envoy --filters",
        )


def silent_replies(whole: Whole) -> Words:
    hooks = any(chain.hooks & RESPONSE_HOOKS for chain in whole.plan.chains.values())
    if (
        hooks
        and whole.askers
        and (0, 0) < whole.envoy.version <= _SILENT
        and whole.envoy.runtime.get(_FLAG) is not False
    ):
        yield warning(
            "an Envoy of 1.36 runs no response hook on what it answers itself, as in 404 and 503",
            f"set {_FLAG}: false in a static layer of layered_runtime, or take Envoy 1.40",
        )


RULES: Final[tuple[Rule[Whole], ...]] = (nobody_asks, nobody_limits, unreached, proxies_address, silent_replies)
