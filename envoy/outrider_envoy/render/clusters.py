"""Envoy's clusters: one for each service, and the plugin workers."""

from outrider_envoy.limits import STREAM_LIMIT
from outrider_envoy.render.endpoints import service_cluster
from outrider_envoy.render.plan import Plan, Section, WorkerTls, address_of, typed
from outrider_envoy.render.service_clusters import cluster_of
from outrider_envoy.render.worker_tls import transport_socket

__all__ = ["WORKERS", "clusters", "service_cluster", "team", "workers", "workers_cluster"]

WORKERS = "outrider_workers"
"""The cluster of the plugin workers."""


def clusters(plan: Plan) -> list[Section]:
    """The clusters of all services that have a route, and that of the workers."""
    routes = plan.configuration.routes
    services = {route.service.name: route.service for route in routes}
    preserving = {route.service.name for route in routes if route.preserve_host}
    return [
        *(cluster_of(plan, service, preserves_host=name in preserving) for name, service in services.items()),
        *(workers(endpoints, team(name)) for name, endpoints in plan.teams.items()),
        *(() if plan.is_live else (workers(plan.workers, tls=plan.worker_tls),)),
    ]


def team(name: str) -> str:
    """The name of the cluster of workers that take turns with others."""
    return f"{WORKERS}_{name}"


def workers_cluster(plan: Plan) -> str:
    """The name of the cluster of the workers that serve."""
    return next((team(name) for name, endpoints in plan.teams.items() if endpoints == plan.workers), WORKERS)


def workers(endpoints: tuple[str, ...], name: str = WORKERS, tls: WorkerTls | None = None) -> Section:
    """A cluster of plugin workers: HTTP/2, watched by gRPC health checks, spread evenly."""
    http2 = typed(
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config={"http2_protocol_options": {}},
    )
    ceiling = STREAM_LIMIT * len(endpoints)
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "0.250s",
        "lb_policy": "ROUND_ROBIN",
        # With every worker down a request is refused at once, instead of being sent to a dead one.
        # And Envoy's threads hear at once that one is back; by default they wait a second for further changes.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}, "update_merge_window": "0s"},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
        "circuit_breakers": {
            "thresholds": [{"max_connections": ceiling, "max_pending_requests": ceiling, "max_requests": ceiling}]
        },
        **transport_socket(tls, endpoints),
        "health_checks": [_health_check()],
        "load_assignment": _assignment(name, [address_of(endpoint) for endpoint in endpoints]),
    }


def _health_check() -> Section:
    """Finds a worker that hangs but still accepts; one that is gone is skipped by the filter's retry at once."""
    return {
        "grpc_health_check": {},
        "timeout": "1s",
        "interval": "0.250s",
        "no_traffic_interval": "0.250s",
        "unhealthy_interval": "0.100s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
    }


def _assignment(cluster: str, addresses: list[Section]) -> Section:
    endpoints = [{"endpoint": {"address": address}} for address in addresses]
    return {"cluster_name": cluster, "endpoints": [{"lb_endpoints": endpoints}]}
