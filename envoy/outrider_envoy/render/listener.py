"""Envoy's listener: what every request goes through before a plugin sees it."""

from outrider_envoy.render.filters import plugin_filter
from outrider_envoy.render.guard import guard
from outrider_envoy.render.local_replies import local_replies
from outrider_envoy.render.plan import Plan, Section, typed
from outrider_envoy.render.routes import virtual_hosts
from outrider_envoy.server import BODY_LIMIT

_HTTP = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_MUTATION = "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"


def listener(plan: Plan) -> Section:
    """The one listener, on the address of `gateway.listen`."""
    listen = plan.configuration.gateway.listen
    document: Section = {
        "name": "outrider",
        "address": {"socket_address": {"address": listen.host, "port_value": listen.port}},
        # With it, two gateways on one port would share the traffic silently.
        "enable_reuse_port": False,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": _manager(plan)}]}
        ],
    }
    if plan.wants_bodies:
        document["per_connection_buffer_limit_bytes"] = BODY_LIMIT
    return document


def _manager(plan: Plan) -> Section:
    return typed(
        _HTTP,
        stat_prefix="outrider",
        # Without these a route that protects /admin is passed by //admin, /open/../admin and /%61dmin.
        normalize_path=True,
        merge_slashes=True,
        path_with_escaped_slashes_action="REJECT_REQUEST",
        common_http_protocol_options={"headers_with_underscores_action": "REJECT_REQUEST", "idle_timeout": "3600s"},
        # Envoy's own defaults hold 24 MiB for each connection that does not read.
        http2_protocol_options={
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 65_536,
            "initial_connection_window_size": 1_048_576,
        },
        use_remote_address=True,
        # A client's request id reaches the plugins; correlation-id decides whether it is believed.
        preserve_external_request_id=True,
        server_header_transformation="PASS_THROUGH",
        request_headers_timeout="10s",
        stream_idle_timeout="300s",
        local_reply_config=local_replies(),
        early_header_mutation_extensions=[_strip_identity(plan)],
        http_filters=[plugin_filter(plan), guard(plan), _router()],
        route_config={"name": "outrider", "virtual_hosts": virtual_hosts(plan)},
    )


def _strip_identity(plan: Plan) -> Section:
    """Takes identity headers off before any filter runs, so also on routes without plugins."""
    # Spelt with `_` they never come this far: such a name is refused with 400.
    mutations = [{"remove": name} for name in sorted(plan.identity_headers)]
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": typed(_MUTATION, mutations=mutations),
    }


def _router() -> Section:
    kind = "envoy.extensions.filters.http.router.v3.Router"
    return {"name": "envoy.filters.http.router", "typed_config": typed(kind, suppress_envoy_headers=True)}
