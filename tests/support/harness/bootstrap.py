"""Envoy's configuration, in the few shapes that tests need."""

from collections.abc import Sequence
from typing import Any

Config = dict[str, Any]

EXTENSIONS = "type.googleapis.com/envoy.extensions"
FILTERS = f"{EXTENSIONS}.filters.http"
MANAGER = f"{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager"
HTTP = f"{EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions"


def typed(kind: str, **fields: Any) -> Config:
    return {"@type": kind, **fields}


def ext_proc(**fields: Any) -> Config:
    """The ext_proc filter, talking to the cluster `processor`; times out late unless told otherwise."""
    fields = {"grpc_service": grpc("processor"), "message_timeout": "10s", **fields}
    config = typed(f"{FILTERS}.ext_proc.v3.ExternalProcessor", **fields)
    return {"name": "envoy.filters.http.ext_proc", "typed_config": config}


def ext_authz(**fields: Any) -> Config:
    """The ext_authz filter, talking to the cluster `authorizer`; times out late unless told otherwise."""
    fields = {"grpc_service": grpc("authorizer", timeout="10s"), "transport_api_version": "V3", **fields}
    config = typed(f"{FILTERS}.ext_authz.v3.ExtAuthz", **fields)
    return {"name": "envoy.filters.http.ext_authz", "typed_config": config}


def rate_limit(**fields: Any) -> Config:
    """The rate limit filter for the domain `shop`, talking to the cluster `limiter`; times out late."""
    service = {"grpc_service": grpc("limiter"), "transport_api_version": "V3"}
    fields = {"domain": "shop", "timeout": "10s", "rate_limit_service": service, **fields}
    config = typed(f"{FILTERS}.ratelimit.v3.RateLimit", **fields)
    return {"name": "envoy.filters.http.ratelimit", "typed_config": config}


def limited(*descriptors: Sequence[str], prefix: str = "/", **fields: Any) -> Config:
    """A route whose requests are counted by descriptors, each made of these headers."""
    headers = [[{"header_name": f"x-{name}", "descriptor_key": name} for name in names] for names in descriptors]
    limits = [{"actions": [{"request_headers": each} for each in one]} | fields for one in headers]
    config = typed(f"{FILTERS}.ratelimit.v3.RateLimitPerRoute", rate_limits=limits)
    return route(prefix, typed_per_filter_config={"envoy.filters.http.ratelimit": config})


def grpc(cluster: str, **fields: Any) -> Config:
    return {"envoy_grpc": {"cluster_name": cluster}, **fields}


def mode(**fields: str) -> Config:
    """A processing mode that sends nothing but what is named."""
    nothing = {
        "request_header_mode": "SKIP",
        "response_header_mode": "SKIP",
        "request_body_mode": "NONE",
        "response_body_mode": "NONE",
        "request_trailer_mode": "SKIP",
        "response_trailer_mode": "SKIP",
    }
    return nothing | fields


def route(prefix: str = "/", cluster: str = "upstream", **fields: Any) -> Config:
    return {"match": {"prefix": prefix}, "route": {"cluster": cluster, "timeout": "15s"}, **fields}


def ext_proc_per_route(**fields: Any) -> Config:
    config = typed(f"{FILTERS}.ext_proc.v3.ExtProcPerRoute", **fields)
    return {"typed_per_filter_config": {"envoy.filters.http.ext_proc": config}}


def ext_authz_per_route(**fields: Any) -> Config:
    config = typed(f"{FILTERS}.ext_authz.v3.ExtAuthzPerRoute", **fields)
    return {"typed_per_filter_config": {"envoy.filters.http.ext_authz": config}}


def cluster(name: str, *addresses: int | str, http2: bool = False, **fields: Any) -> Config:
    """A cluster of ports on loopback and unix sockets."""
    endpoints = [{"endpoint": {"address": address(where)}} for where in addresses]
    config: Config = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    }
    if http2:
        options = typed(HTTP, explicit_http_config={"http2_protocol_options": {}})
        config["typed_extension_protocol_options"] = {HTTP.split("/")[1]: options}
    return config | fields


def address(where: int | str) -> Config:
    if isinstance(where, str):
        return {"pipe": {"path": where}}
    return {"socket_address": {"address": "127.0.0.1", "port_value": where}}


def listener(
    filters: Sequence[Config],
    routes: Sequence[Config],
    *,
    manager: Config | None = None,
    host: Config | None = None,
    **fields: Any,
) -> Config:
    """An HTTP listener; `manager` and `host` go into the connection manager and the virtual host."""
    router = {"name": "envoy.filters.http.router", "typed_config": typed(f"{FILTERS}.router.v3.Router")}
    virtual_host = {"name": "all", "domains": ["*"], "routes": list(routes)} | (host or {})
    config = typed(
        MANAGER,
        stat_prefix="main",
        http_filters=[*filters, router],
        route_config={"name": "routes", "virtual_hosts": [virtual_host]},
    )
    network_filter = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": config | (manager or {}),
    }
    defaults = {"name": "main", "address": address(0), "filter_chains": [{"filters": [network_filter]}]}
    return defaults | fields


def bootstrap(listeners: Sequence[Config], clusters: Sequence[Config]) -> Config:
    return {"static_resources": {"listeners": list(listeners), "clusters": list(clusters)}}
