"""Envoy's own filters, set up to mean what the chain of four plugins means."""

from copy import deepcopy
from typing import Any

from four import ISSUER, LIMIT, REMOVED, WRITTEN
from harness.bootstrap import FILTERS, Config, cluster, typed
from harness.rendering import tree

_ACTIONS = {
    "replace": "OVERWRITE_IF_EXISTS",
    "add": "ADD_IF_ABSENT",
    "append": "APPEND_IF_EXISTS_OR_ADD",
}


def filters(keys: str, *, remembers: bool) -> list[Config]:
    """jwt_authn, local_ratelimit and header_mutation; `remembers` lets the first keep the tokens it has verified."""
    return [_jwt_authn(keys, remembers=remembers), _local_ratelimit(), _header_mutation()]


def tracing() -> Config:
    """What the connection manager needs to hand a traceparent on: OpenTelemetry's tracer, which samples nothing."""
    service = {"envoy_grpc": {"cluster_name": "collector"}, "timeout": "0.250s"}
    config = typed(
        "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig", grpc_service=service, service_name="bench"
    )
    nothing = {"value": 0.0}
    return {
        "random_sampling": nothing,
        "overall_sampling": nothing,
        "client_sampling": nothing,
        "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": config},
    }


def collector() -> Config:
    """Where the tracer's spans would go, if it had any."""
    return cluster("collector", 1, http2=True)


def _jwt_authn(keys: str, *, remembers: bool) -> Config:
    provider: dict[str, Any] = {
        "issuer": ISSUER,
        "local_jwks": {"inline_string": keys},
        "forward": True,
        "normalize_payload_in_metadata": {},
        "payload_in_metadata": "token",
    }
    if remembers:
        provider["jwt_cache_config"] = {"jwt_cache_size": 1000}
    config = typed(
        f"{FILTERS}.jwt_authn.v3.JwtAuthentication",
        providers={"issuer": provider},
        rules=[{"match": {"prefix": "/"}, "requires": {"provider_name": "issuer"}}],
    )
    return {"name": "envoy.filters.http.jwt_authn", "typed_config": config}


def _local_ratelimit() -> Config:
    everything = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    config = typed(
        f"{FILTERS}.local_ratelimit.v3.LocalRateLimit",
        stat_prefix="limit",
        token_bucket={"max_tokens": LIMIT, "tokens_per_fill": LIMIT, "fill_interval": "3600s"},
        filter_enabled=everything,
        filter_enforced=everything,
        enable_x_ratelimit_headers="DRAFT_VERSION_03",
    )
    return {"name": "envoy.filters.http.local_ratelimit", "typed_config": config}


def _header_mutation() -> Config:
    written = [
        {"append": {"header": {"key": key, "value": value}, "append_action": _ACTIONS[verb]}}
        for verb, headers in WRITTEN.items()
        for key, value in headers.items()
    ]
    mutations = {"request_mutations": [{"remove": REMOVED}, *written]}
    config = typed(f"{FILTERS}.header_mutation.v3.HeaderMutation", mutations=mutations)
    return {"name": "envoy.filters.http.header_mutation", "typed_config": config}


def put_into(bootstrap: Config, keys: str, *, remembers: bool) -> Config:
    """The same Envoy with these filters in place of ours."""
    changed = deepcopy(bootstrap)
    (listener,) = changed["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    manager["http_filters"] = [*filters(keys, remembers=remembers), manager["http_filters"][-1]]
    manager["tracing"] = tracing()
    for host in manager["route_config"]["virtual_hosts"]:
        for routes in tree(host).values():
            for route in routes:
                route.pop("typed_per_filter_config", None)
    changed["static_resources"]["clusters"].append(collector())
    return changed
