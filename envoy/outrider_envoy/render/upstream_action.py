"""The part of a route's action that its service decides: where to, for how long, how often, and under which host."""

from collections.abc import Iterator

from outrider.config import Route, Service, Target
from outrider.config.upstreams import Hash, Upstream
from outrider_envoy.render.endpoints import host_header, service_cluster
from outrider_envoy.render.plan import Section, seconds, typed

_PREVIOUS = "envoy.retry_host_predicates.previous_hosts"
_OTHER_TARGETS = 20
"""How often another target is looked for before one that failed already is tried again."""
_UNTAKEN = "connect-failure,refused-stream,reset-before-request"
"""What upstream can't have begun with, so that any request may be repeated."""


def forward(route: Route) -> Section:
    """The fields of a `RouteAction` that follow from the route's service; the path is the route's own matter."""
    service = route.service
    return {
        "cluster": service_cluster(service.name),
        # Kong's time-outs are those between two reads or writes, not of the whole request.
        "timeout": "0s",
        "idle_timeout": seconds(max(service.read_timeout, service.write_timeout) / 1000),
        "retry_policy": _retries(service),
        **({} if route.preserve_host else _host(service)),
        **_hash_policy(service.upstream),
    }


def _retries(service: Service) -> Section:
    return {
        "retry_on": _UNTAKEN,
        "num_retries": service.retries,
        # Kong's read_timeout is that of a try: the next one may find a target that answers.
        "per_try_idle_timeout": seconds(service.read_timeout / 1000),
        "retry_host_predicate": [{"name": _PREVIOUS, "typed_config": _previous_hosts()}],
        "host_selection_retry_max_attempts": _OTHER_TARGETS,
        "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.010s"},
    }


def _previous_hosts() -> Section:
    return typed("envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate")


def _host(service: Service) -> Section:
    if service.upstream is not None:
        return {"auto_host_rewrite": True}
    return {"host_rewrite_literal": host_header(service, Target(service.host, service.port))}


def _hash_policy(upstream: Upstream | None) -> Section:
    if upstream is None or not upstream.hashes:
        return {}
    return {
        "hash_policy": [policy | {"terminal": True} for one in upstream.hashes for policy in _policies(one, upstream)]
    }


def _policies(one: Hash, upstream: Upstream) -> Iterator[Section]:
    """The first that finds something decides."""
    match one.kind:
        case "consumer":
            # Kong's order: the consumer, and where there is none, the credential.
            yield from ({"header": {"header_name": name}} for name in ("x-consumer-id", "x-credential-identifier"))
        case "ip":
            yield {"connection_properties": {"source_ip": True}}
        case "cookie":
            attributes = [{"name": "SameSite", "value": "Lax"}]
            # A cookie without a time to live is read, and never given.
            yield {"cookie": {"name": one.name, "ttl": "0s", "path": upstream.cookie_path, "attributes": attributes}}
        case "path":
            yield {"header": {"header_name": ":path", "regex_rewrite": _without_query()}}
        case "query_arg":
            yield {"query_parameter": {"name": one.name}}
        case _:
            yield {"header": {"header_name": one.name}}


def _without_query() -> Section:
    return {"pattern": {"regex": "[?].*$"}, "substitution": ""}
