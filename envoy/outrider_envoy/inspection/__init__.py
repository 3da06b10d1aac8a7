"""Looks at a running Envoy that somebody wrote by hand, and says where it and the file of the workers do not fit."""

from collections.abc import Iterator

from outrider_envoy.inspection import (
    asking_rules,
    cluster_rules,
    coverage_rules,
    ext_authz_rules,
    ext_proc_rules,
    manager_rules,
    order_rules,
    phase_rules,
    rate_limit_rules,
    route_rules,
)
from outrider_envoy.inspection.askers import Asker, askers_of, limiters_of
from outrider_envoy.inspection.coverage_rules import Bypass, Whole
from outrider_envoy.inspection.dump import Envoy
from outrider_envoy.inspection.finding import Finding, judged
from outrider_envoy.inspection.passages import passages_of
from outrider_envoy.render.plan import Plan, Section

__all__ = ["Finding", "inspect"]

_BY_PROTOCOL = {"ext_proc": ext_proc_rules.RULES, "ext_authz": ext_authz_rules.RULES}


def inspect(dump: Section, plan: Plan) -> list[Finding]:
    """What in a `config_dump` with its endpoints lets requests pass, or keeps plugins of the file from their work.

    Each once, in the order of the Envoy's listeners. Raises `OutriderError` if it is no dump of an Envoy's.
    """
    envoy = Envoy.read(dump)
    askers, limiters = askers_of(envoy, plan), limiters_of(envoy, plan)
    whole = Whole(envoy, plan, askers, limiters, passages_of(askers))
    found = [*_listeners(whole), *_filters(whole), *_clusters(whole), *judged("envoy", whole, coverage_rules.RULES)]
    return list(dict.fromkeys(found))


def _listeners(whole: Whole) -> Iterator[Finding]:
    asked = {id(one.manager) for one in whole.askers}
    limited = {id(one.manager) for one in whole.limiters}
    for manager in whole.envoy.listeners.managers:
        entrance = manager_rules.Entrance(manager, whole.plan)
        if id(manager) in asked | limited and not manager.upgrade:
            yield from judged(manager.where, entrance, manager_rules.ALWAYS)
        if id(manager) in asked and not manager.upgrade:
            yield from judged(manager.where, entrance, manager_rules.PLUGINS)
        if whole.askers and id(manager) not in asked:
            yield from judged(manager.where, Bypass(manager, whole), coverage_rules.BYPASS_RULES)
    for tunnel in whole.envoy.listeners.tunnels:
        yield from judged(tunnel.where, Bypass(tunnel, whole), coverage_rules.BYPASS_RULES)


def _filters(whole: Whole) -> Iterator[Finding]:
    for asker in whole.askers:
        yield from judged(asker.where, asker, [asking_rules.protocol])
        if asker.protocol == whole.plan.configuration.gateway.protocol:
            yield from _asker(asker)
    for passage in whole.passages:
        if passage.asker.protocol == whole.plan.configuration.gateway.protocol:
            yield from judged(passage.where, passage, [*route_rules.RULES, *phase_rules.RULES])
    for limiter in whole.limiters:
        yield from judged(limiter.where, limiter, rate_limit_rules.RULES)


def _asker(asker: Asker) -> Iterator[Finding]:
    rules = [*asking_rules.RULES, *order_rules.RULES, *_BY_PROTOCOL[asker.protocol]]
    return judged(asker.where, asker, rules)


def _clusters(whole: Whole) -> Iterator[Finding]:
    names = dict.fromkeys(one.cluster for one in [*whole.askers, *whole.limiters] if one.cluster)
    asked = {one.cluster for one in whole.askers}
    for name in names:
        workers = cluster_rules.Workers(name, whole.envoy.clusters.get(name), whole.plan, name in asked)
        yield from judged(f"cluster {name}", workers, cluster_rules.RULES)
