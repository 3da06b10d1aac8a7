"""The cluster of each service."""

from outrider.config import Service
from outrider_envoy.render.balancing import balancing
from outrider_envoy.render.endpoints import discovery, service_cluster
from outrider_envoy.render.health_checks import health_checks
from outrider_envoy.render.outliers import error_matcher, outlier_detection
from outrider_envoy.render.plan import Plan, Section, seconds, typed
from outrider_envoy.render.upstream_tls import needs_names_of_requests, transport_sockets

READ_AHEAD = 256 * 1024
"""How much of a response Envoy reads before downstream takes it, in bytes. A chunk hook gets up to twice that."""
IN_FLIGHT = 16_384
"""How many connections, requests and waiting requests a service has at most; further requests get 503.

Envoy's own 1,024 are soon reached: each request of HTTP/1.1 has a connection of its own.
"""
REPEATED = 1_024
"""How many requests of a service are on another try at the same time; Envoy's own 3 are none under load."""
KEPT = 60.0
"""How long an idle connection to upstream is kept, in seconds, as Kong keeps it."""

_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def cluster_of(plan: Plan, service: Service, *, preserves_host: bool) -> Section:
    """A service's cluster; `preserves_host` is whether any of its routes does."""
    return {
        "name": service_cluster(service.name),
        **discovery(plan, service),
        "connect_timeout": seconds(service.connect_timeout / 1000),
        "per_connection_buffer_limit_bytes": READ_AHEAD,
        "typed_extension_protocol_options": {_HTTP: _protocol(service, preserves_host=preserves_host)},
        "circuit_breakers": {"thresholds": [_limits()]},
        **balancing(service),
        **transport_sockets(plan, service, preserves_host=preserves_host),
        **health_checks(service),
        **outlier_detection(service),
    }


def _limits() -> Section:
    return {
        "max_connections": IN_FLIGHT,
        "max_pending_requests": IN_FLIGHT,
        "max_requests": IN_FLIGHT,
        "max_retries": REPEATED,
    }


def _protocol(service: Service, *, preserves_host: bool) -> Section:
    options = typed(
        _HTTP,
        explicit_http_config=_version(service),
        common_http_protocol_options={"idle_timeout": seconds(KEPT)},
        **error_matcher(service),
    )
    if needs_names_of_requests(service, preserves_host=preserves_host):
        names = {"auto_sni": True, "auto_san_validation": bool(service.tls_verify)}
        options["upstream_http_protocol_options"] = names
    return options


def _version(service: Service) -> Section:
    if not service.is_grpc:
        return {"http_protocol_options": {}}
    # Envoy's own windows hold many MiB for each response that downstream does not read.
    windows = {"initial_stream_window_size": READ_AHEAD, "initial_connection_window_size": 4 * READ_AHEAD}
    return {"http2_protocol_options": windows}
