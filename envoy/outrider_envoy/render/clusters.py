"""Envoy's clusters: one for each service, and the plugin workers."""

from ipaddress import ip_address

from outrider.config.services import Service
from outrider_envoy.limits import STREAM_LIMIT
from outrider_envoy.render.plan import Plan, Section, address_of, seconds, typed

WORKERS = "outrider_workers"
"""The cluster of the plugin workers."""
READ_AHEAD = 256 * 1024
"""How much of a response Envoy reads before downstream takes it, in bytes. A chunk hook gets up to twice that."""
CONNECTION_AGE = 0.5
"""How long Envoy uses a connection to a worker that may be replaced, in seconds.

A worker that ends a connection itself loses the streams that Envoy begins on it at that moment.
"""


def clusters(plan: Plan) -> list[Section]:
    """The clusters of all services that have a route, and that of the workers."""
    services = {route.service.name: route.service for route in plan.configuration.routes}
    return [
        *(_service(service) for service in services.values()),
        workers(plan.workers, CONNECTION_AGE if plan.replaces_workers else None),
    ]


def service_cluster(service: str) -> str:
    """The name of a service's cluster."""
    return f"service_{service}"


def workers(endpoints: tuple[str, ...], age: float | None = None) -> Section:
    """The cluster of the plugin workers: HTTP/2, watched by gRPC health checks, spread evenly.

    After `age` seconds Envoy begins no more streams on a connection; None: never.
    """
    http2 = typed(
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config={"http2_protocol_options": {}},
        **({} if age is None else {"common_http_protocol_options": {"max_connection_duration": seconds(age)}}),
    )
    ceiling = STREAM_LIMIT * len(endpoints)
    return {
        "name": WORKERS,
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
        "health_checks": [_health_check()],
        "load_assignment": _assignment(WORKERS, [address_of(endpoint) for endpoint in endpoints]),
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


def _service(service: Service) -> Section:
    name = service_cluster(service.name)
    return {
        "name": name,
        "type": "STATIC" if _is_address(service.host) else "STRICT_DNS",
        "connect_timeout": seconds(service.connect_timeout / 1000),
        "per_connection_buffer_limit_bytes": READ_AHEAD,
        "load_assignment": _assignment(name, [address_of(f"{service.host}:{service.port}")]),
    }


def _assignment(cluster: str, addresses: list[Section]) -> Section:
    endpoints = [{"endpoint": {"address": address}} for address in addresses]
    return {"cluster_name": cluster, "endpoints": [{"lb_endpoints": endpoints}]}


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
