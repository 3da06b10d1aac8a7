"""Envoy's virtual hosts and routes, in Kong's order."""

import re

from outrider.chain import Chain
from outrider.config.routes import Route
from outrider.routing import Rule, rules
from outrider_envoy.render.clusters import service_cluster
from outrider_envoy.render.filters import filter_name, route_filter
from outrider_envoy.render.guard import unguarded
from outrider_envoy.render.plan import Plan, Section, seconds
from outrider_envoy.render.reply_headers import reply_headers

_ESCAPE = re.compile(r"%([0-9A-F]{2})")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def virtual_hosts(plan: Plan) -> list[Section]:
    """One virtual host for each host that the file names, and one for all others.

    Envoy chooses the virtual host first, so each holds every rule that could match there.
    """
    ordered = rules(plan.configuration.routes)
    named = sorted({rule.host for rule in ordered if rule.host is not None})
    hosts = [_virtual_host(plan, host, [host, f"{host}:*", f"{host}.", f"{host}.:*"], ordered) for host in named]
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
        "typed_per_filter_config": for_filters(plan, plan.chains[route.name]),
    }


def _match(rule: Rule) -> Section:
    path = rule.path or "/"
    # Envoy compares a prefix letter by letter, and the two hexadecimal digits of an escape have two cases.
    match: Section = {"safe_regex": {"regex": f"{_pattern(path)}.*"}} if "%" in path else {"prefix": path}
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
        "pattern": {"regex": f"^{_pattern(prefix.rstrip('/'))}/?(.*)$"},
        "substitution": f"{base}/\\1",
    }


def _pattern(path: str) -> str:
    """A path as a regular expression that takes its escapes in either case."""
    return _ESCAPE.sub(lambda escape: "%" + "".join(f"[{d}{d.lower()}]" for d in escape[1]), re.escape(path))


def _authority(route: Route) -> str:
    service = route.service
    host = f"[{service.host}]" if ":" in service.host else service.host
    return host if service.port == _DEFAULT_PORTS[service.protocol] else f"{host}:{service.port}"


def _nothing(plan: Plan) -> Section:
    return {
        "name": "outrider_no_route",
        "match": {"prefix": "/"},
        "direct_response": {"status": 404},
        "typed_per_filter_config": for_filters(plan, None),
    }


def for_filters(plan: Plan, chain: Chain | None) -> Section:
    """The `typed_per_filter_config` of a route with that chain, or with no plugins."""
    return {filter_name(plan): route_filter(plan, chain), **unguarded(chain), **reply_headers(plan, chain)}
