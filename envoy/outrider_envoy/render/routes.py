"""Envoy's virtual hosts and routes, in Kong's order.

Envoy tries the routes of a virtual host one after the other. So each virtual host has a tree by the beginning of
the path instead, whose leaves are short lists: all rules that could take such a path, in their order, up to the first
that takes every one.
"""

from collections.abc import Iterator

from outrider.chain import Chain
from outrider.config import Route
from outrider.route_table import Candidate, Hosts, RouteTable
from outrider.routing import Rule, rules
from outrider.verdict import NO_ROUTE
from outrider_envoy.render.filters import filter_name, route_filter
from outrider_envoy.render.forwarded import SNI_HEADER, forwarded, forwarded_prefix
from outrider_envoy.render.gates import conditions, refusals
from outrider_envoy.render.guard import unguarded
from outrider_envoy.render.plan import Plan, Section, typed
from outrider_envoy.render.reply_headers import reply_headers
from outrider_envoy.render.route_match import match
from outrider_envoy.render.route_path import rewrite, stripped
from outrider_envoy.render.upstream_action import forward

_PATH = typed("envoy.type.matcher.v3.HttpRequestHeaderMatchInput", header_name=":path")


def route_configuration(plan: Plan) -> Section:
    """The `RouteConfiguration` of the listener, with and without TLS."""
    table = RouteTable(rules(plan.configuration.routes))
    written = _Routes(plan)
    return {
        "name": "outrider",
        # A rule for a host with a port looks at the port itself.
        "ignore_port_in_host_matching": True,
        "virtual_hosts": [written.virtual_host(hosts) for hosts in table.hosts],
        "request_headers_to_add": forwarded(),
        "request_headers_to_remove": [SNI_HEADER],
    }


class _Routes:
    """Writes them; what belongs to a route of the file is made once, however often it stands in the tree."""

    def __init__(self, plan: Plan) -> None:
        self._port = plan.configuration.gateway.listen.port
        self._routes = {route.name: route for route in plan.configuration.routes}
        self._chains = plan.chains
        self._filters = {name: for_filters(plan, chain) for name, chain in plan.chains.items()}
        self._no_filters = for_filters(plan, None)
        same = {(route.service.name, route.preserve_host): route for route in plan.configuration.routes}
        self._actions = {key: forward(route) for key, route in same.items()}
        self._nothing = {
            "name": "outrider_no_route",
            "match": {"prefix": "/"},
            "direct_response": {"status": 404, "body": {"inline_string": NO_ROUTE}},
            "typed_per_filter_config": self._no_filters,
        }

    def virtual_host(self, hosts: Hosts) -> Section:
        tree = {begin: self._leaf(found) for begin, found in hosts.beginnings.items()}
        matcher = {
            "matcher_tree": {"input": {"name": "path", "typed_config": _PATH}, "prefix_match_map": {"map": tree}},
            "on_no_match": self._leaf(()),
        }
        domains = [domain for name in hosts.names for domain in _domains(name)]
        return {"name": hosts.names[0] if hosts.names else "*", "domains": domains or ["*"], "matcher": matcher}

    def _leaf(self, candidates: tuple[Candidate, ...]) -> Section:
        listed = [route for one in candidates for route in self._of(one)]
        rest = [] if candidates and candidates[-1].is_sure else [self._nothing]
        routes = typed("envoy.config.route.v3.RouteList", routes=[*listed, *rest])
        return {"action": {"name": "routes", "typed_config": routes}}

    def _path(self, rule: Rule, route: Route) -> Section:
        return rewrite(rule, route, by_plugin="path" in self._chains[route.name].rewrites)

    def _of(self, candidate: Candidate) -> Iterator[Section]:
        rule = candidate.rule
        route = self._routes[rule.route]
        matched = match(candidate, self._port)
        yield {
            "name": route.name,
            "match": _also(matched, conditions(route)),
            "route": self._actions[route.service.name, route.preserve_host] | self._path(rule, route),
            "typed_per_filter_config": self._filters[route.name],
            **forwarded_prefix(stripped(rule, route)),
        }
        for refusal in refusals(route):
            headers = refusal.get("match", {}).get("headers", [])
            yield refusal | {"match": _also(matched, headers), "typed_per_filter_config": self._no_filters}


def _also(matched: Section, headers: list[Section]) -> Section:
    return matched | {"headers": [*matched.get("headers", ()), *headers]} if headers else matched


def _domains(name: str) -> list[str]:
    """A host as Envoy's domains, with and without a dot at its end."""
    if name.endswith("."):
        return [f"{name}*"]
    host = f"*{name}" if name.startswith(".") else name
    return [host, f"{host}."]


def for_filters(plan: Plan, chain: Chain | None) -> Section:
    """The `typed_per_filter_config` of a route with that chain, or with no plugins."""
    return {filter_name(plan): route_filter(plan, chain), **unguarded(chain), **reply_headers(plan, chain)}
