"""Envoy's virtual hosts and routes, in Kong's order."""

import re

from outrider.config.configuration import Route
from outrider.routing import Rule, rules
from outrider_envoy.render.clusters import service_cluster
from outrider_envoy.render.filters import filter_name, route_filter
from outrider_envoy.render.plan import Plan, Section, seconds

_DEFAULT_PORTS = {"http": 80, "https": 443}


def virtual_hosts(plan: Plan) -> list[Section]:
    """One virtual host for each host that the file names, and one for all others.

    Envoy chooses the virtual host first, so each holds every rule that could match there.
    """
    ordered = rules(plan.configuration.routes)
    named = sorted({rule.host for rule in ordered if rule.host is not None})
    hosts = [_virtual_host(plan, host, [host, f"{host}:*"], ordered) for host in named]
    return [*hosts, _virtual_host(plan, None, ["*"], ordered)]


def _virtual_host(plan: Plan, host: str | None, domains: list[str], ordered: list[Rule]) -> Section:
    by_name = {route.name: route for route in plan.configuration.routes}
    routes = [_route(plan, rule, by_name[rule.route]) for rule in ordered if rule.host in (None, host)]
    return {"name": host or "*", "domains": domains, "routes": [*routes, _nothing(plan)]}


def _route(plan: Plan, rule: Rule, route: Route) -> Section:
    return {
        "name": route.name,
        "match": _match(rule),
        "route": _action(rule, route),
        "typed_per_filter_config": {filter_name(plan): route_filter(plan, plan.chains[route.name])},
    }


def _match(rule: Rule) -> Section:
    match: Section = {"prefix": rule.path or "/"}
    if rule.methods:
        pattern = "|".join(re.escape(method) for method in rule.methods)
        match["headers"] = [{"name": ":method", "string_match": {"safe_regex": {"regex": pattern}}}]
    return match


def _action(rule: Rule, route: Route) -> Section:
    service = route.service
    action: Section = {
        "cluster": service_cluster(service.name),
        # Kong's time-outs are those between two reads or writes, not of the whole request.
        "timeout": "0s",
        "idle_timeout": seconds(max(service.read_timeout, service.write_timeout) / 1000),
        "retry_policy": {"retry_on": "connect-failure", "num_retries": service.retries},
    }
    if not route.preserve_host:
        action["host_rewrite_literal"] = _authority(route)
    if rewrite := _rewrite(rule, route):
        action["regex_rewrite"] = rewrite
    return action


def _rewrite(rule: Rule, route: Route) -> Section | None:
    """Takes the matched prefix off and puts the service's path before the rest, with one slash between them."""
    prefix = (rule.path or "") if route.strip_path else ""
    base = (route.service.path or "").rstrip("/")
    if not prefix.rstrip("/") and not base:
        return None
    return {
        "pattern": {"regex": f"^{re.escape(prefix.rstrip('/'))}/?(.*)$"},
        "substitution": base.replace("\\", "\\\\") + "/\\1",
    }


def _authority(route: Route) -> str:
    service = route.service
    host = f"[{service.host}]" if ":" in service.host else service.host
    return host if service.port == _DEFAULT_PORTS[service.protocol] else f"{host}:{service.port}"


def _nothing(plan: Plan) -> Section:
    return {
        "name": "outrider_no_route",
        "match": {"prefix": "/"},
        "direct_response": {"status": 404},
        "typed_per_filter_config": {filter_name(plan): route_filter(plan, None)},
    }
