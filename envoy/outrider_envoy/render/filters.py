"""The HTTP filters that lead to the plugin workers, and what each route says to them."""

from outrider.chain import Chain
from outrider_envoy.ext_proc import RESPONSE_HOOKS
from outrider_envoy.marks import NAMESPACE
from outrider_envoy.render.clusters import WORKERS
from outrider_envoy.render.plan import Plan, Section, seconds, typed
from outrider_envoy.selection import ROUTE_KEY

EXT_PROC = "envoy.filters.http.ext_proc"
EXT_AUTHZ = "envoy.filters.http.ext_authz"

_MARGIN = 0.5  # seconds; our own 503 comes before Envoy's 504


def plugin_filter(plan: Plan) -> Section:
    """The filter that asks the workers, by the protocol of the file."""
    return _ext_proc(plan) if plan.configuration.gateway.protocol == "ext_proc" else _ext_authz(plan)


def filter_name(plan: Plan) -> str:
    """The name under which routes talk to the filter."""
    return EXT_PROC if plan.configuration.gateway.protocol == "ext_proc" else EXT_AUTHZ


def route_filter(plan: Plan, chain: Chain | None) -> Section:
    """What one route says to the filter: which chain it has, or that it has no plugin."""
    ext_proc = plan.configuration.gateway.protocol == "ext_proc"
    kind = "ext_proc.v3.ExtProcPerRoute" if ext_proc else "ext_authz.v3.ExtAuthzPerRoute"
    if chain is None or not chain.slots:
        fields: Section = {"disabled": True}
    elif ext_proc:
        fields = {"overrides": _overrides(chain)}
    else:
        fields = {"check_settings": {"context_extensions": {ROUTE_KEY: chain.route.name}}}
    return typed(f"envoy.extensions.filters.http.{kind}", **fields)


def processing_mode(chain: Chain) -> Section:
    """Which messages Envoy sends for a chain: a phase that no plugin needs costs nothing."""
    hooks = chain.hooks
    reads_request, reads_response = "on_request_body" in hooks, "on_response_body" in hooks
    response = bool(hooks & RESPONSE_HOOKS or chain.reply_headers)
    return {
        "request_header_mode": "SEND",
        "request_body_mode": "BUFFERED" if reads_request else "NONE",
        # A body that never comes is known only by the trailers; and a stream with response trailers lasts as long
        # as its request.
        "request_trailer_mode": "SEND" if reads_request else "SKIP",
        "response_header_mode": "SEND" if response else "SKIP",
        "response_body_mode": "BUFFERED" if reads_response else "NONE",
        "response_trailer_mode": "SEND" if reads_response or "on_log" in hooks else "SKIP",
    }


def message_timeout(plan: Plan) -> float:
    """How long Envoy waits for one answer, in seconds: longer than any chain's own budget."""
    return max((chain.budget for chain in plan.chains.values()), default=0.0) + _MARGIN


def _ext_proc(plan: Plan) -> Section:
    client = any("client" in chain.facts for chain in plan.chains.values())
    config = typed(
        "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
        grpc_service=_grpc_service(plan),
        failure_mode_allow=False,
        message_timeout=seconds(message_timeout(plan)),
        processing_mode={"request_header_mode": "SEND", "response_header_mode": "SKIP"},
        # What Envoy would not do is an error, not a silence.
        mutation_rules={"disallow_is_error": True},
        route_cache_action="RETAIN",
        metadata_options={"receiving_namespaces": {"untyped": [NAMESPACE]}},
        **({"request_attributes": ["source.address"]} if client else {}),
    )
    return {"name": EXT_PROC, "typed_config": config}


def _overrides(chain: Chain) -> Section:
    return {
        "processing_mode": processing_mode(chain),
        "grpc_initial_metadata": [{"key": ROUTE_KEY, "value": chain.route.name}],
    }


def _ext_authz(plan: Plan) -> Section:
    config = typed(
        "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
        transport_api_version="V3",
        grpc_service=_grpc_service(plan) | {"timeout": seconds(message_timeout(plan))},
        failure_mode_allow=False,
        encode_raw_headers=True,
        clear_route_cache=False,
        status_on_error={"code": "InternalServerError"},
    )
    return {"name": EXT_AUTHZ, "typed_config": config}


def _grpc_service(plan: Plan) -> Section:
    # Envoy takes max_interval for the time-out of a try, too. The back-off starts at the base and stays near it.
    back_off = {"base_interval": "0.001s", "max_interval": seconds(message_timeout(plan))}
    return {
        "envoy_grpc": {"cluster_name": WORKERS},
        # Only what happens before the chain ran may be tried again; the default back-off is up to a second.
        "retry_policy": {"num_retries": 3, "retry_on": "connect-failure,refused-stream", "retry_back_off": back_off},
    }
