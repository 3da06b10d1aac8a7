"""Envoy's listener: what every request goes through before a plugin sees it."""

from typing import Any

from outrider_envoy.render.filters import BUFFER_LIMIT, plugin_filter
from outrider_envoy.render.guard import guard
from outrider_envoy.render.local_replies import local_replies
from outrider_envoy.render.plan import Plan, Section, typed
from outrider_envoy.render.proxies import INTERNAL_HEADERS, detection, trusted_ranges
from outrider_envoy.render.reply_headers import reply_headers_filter
from outrider_envoy.render.routes import virtual_hosts

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
        "filter_chains": _filter_chains(plan),
    }
    return document | (BUFFER_LIMIT if plan.holds_bodies else {})


def _filter_chains(plan: Plan) -> list[Section]:
    """One for strangers, and one for the connections of trusted proxies: a setting that believes is in no other."""
    strangers = _filter_chain(_manager(plan, needed_of_manager(plan)))
    if not (proxies := needed_of_proxies(plan)):
        return [strangers]
    settings = proxies.pop("http_connection_manager")
    return [strangers, proxies | _filter_chain(_manager(plan, settings))]


def needed_of_manager(plan: Plan) -> Section:
    """What any HttpConnectionManager must set for the plugins to mean what they say."""
    return _needed(_identity_headers(plan), use_remote_address=True)


def needed_of_proxies(plan: Plan) -> Section:
    """The match of trusted proxies' connections, and what their HttpConnectionManager must set; empty without any."""
    if not (trusted := trusted_ranges(plan)):
        return {}
    removed = [*_identity_headers(plan), INTERNAL_HEADERS]
    # Envoy takes its own addresses or those of an extension, never both.
    settings = _needed(removed, use_remote_address=False, original_ip_detection_extensions=[detection(trusted)])
    return {
        "filter_chain_match": {"direct_source_prefix_ranges": trusted},
        "http_connection_manager": settings,
    }


def plugin_filters(plan: Plan) -> list[Section]:
    """The HTTP filters that belong to the plugins, in their order."""
    return [plugin_filter(plan), guard(plan), *reply_headers_filter(plan)]


def _needed(removed: list[Section], **fields: Any) -> Section:
    return {
        # Without these a route that protects /admin is passed by //admin, /open/../admin and /%61dmin.
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"},
        "early_header_mutation_extensions": [_early(removed)],
        **fields,
    }


def _filter_chain(manager: Section) -> Section:
    return {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}


def _manager(plan: Plan, needed: Section) -> Section:
    needed["common_http_protocol_options"]["idle_timeout"] = "3600s"
    return typed(
        _HTTP,
        stat_prefix="outrider",
        **needed,
        # Envoy's own defaults hold 24 MiB for each connection that does not read.
        http2_protocol_options={
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 65_536,
            "initial_connection_window_size": 1_048_576,
        },
        # A client's request id reaches the plugins; correlation-id decides whether it is believed.
        preserve_external_request_id=True,
        server_header_transformation="PASS_THROUGH",
        request_headers_timeout="10s",
        stream_idle_timeout="300s",
        local_reply_config=local_replies(),
        http_filters=[*plugin_filters(plan), _router()],
        upgrade_configs=[{"upgrade_type": "websocket"}],
        route_config={"name": "outrider", "virtual_hosts": virtual_hosts(plan)},
    )


def _identity_headers(plan: Plan) -> list[Section]:
    # Spelt with `_` they never come this far: such a name is refused with 400.
    return [{"remove": name} for name in sorted(plan.identity_headers)]


def _early(mutations: list[Section]) -> Section:
    """Takes headers off before any filter runs, so also on routes without plugins."""
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": typed(_MUTATION, mutations=mutations),
    }


def _router() -> Section:
    kind = "envoy.extensions.filters.http.router.v3.Router"
    return {"name": "envoy.filters.http.router", "typed_config": typed(kind, suppress_envoy_headers=True)}
