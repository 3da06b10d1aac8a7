"""Envoy's listener: what every request goes through before a plugin sees it."""

from typing import Any

from outrider.config.field_types import Address
from outrider_envoy.render.access_log import access_log, path_filter
from outrider_envoy.render.filters import BUFFER_LIMIT, plugin_filter
from outrider_envoy.render.forwarded import early_mutations, host_filter
from outrider_envoy.render.guard import guard
from outrider_envoy.render.local_replies import local_replies
from outrider_envoy.render.malformed import malformed_filter
from outrider_envoy.render.plan import Plan, Section, typed
from outrider_envoy.render.proxies import INTERNAL_HEADERS, detection, trusted_ranges
from outrider_envoy.render.repeating import repeating_filter
from outrider_envoy.render.reply_headers import reply_headers_filter
from outrider_envoy.render.routes import route_configuration

_HTTP = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_FILTER = "envoy.extensions.filters.http.header_mutation.v3"
IDENTITY = "outrider.identity"
_MUTATION = "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"


def listener(plan: Plan) -> Section:
    """The listener without TLS, on the address of `gateway.listen`."""
    strangers, proxies = managers(plan, tls=False)
    chains = [filter_chain(strangers)]
    if proxies is not None:
        match = {"direct_source_prefix_ranges": trusted_ranges(plan)}
        chains.append(filter_chain(proxies) | {"filter_chain_match": match})
    return on(plan, "outrider", plan.configuration.gateway.listen) | {"filter_chains": chains}


def on(plan: Plan, name: str, listen: Address) -> Section:
    """What any listener has."""
    document: Section = {
        "name": name,
        "address": {"socket_address": {"address": listen.host, "port_value": listen.port}},
        # With it, two gateways on one port would share the traffic silently.
        "enable_reuse_port": False,
    }
    return document | (BUFFER_LIMIT if plan.holds_bodies else {})


def managers(plan: Plan, *, tls: bool) -> tuple[Section, Section | None]:
    """One for strangers, and one for the connections of trusted proxies: a setting that believes is in no other."""
    strangers = _manager(plan, needed_of_manager(plan), trusted=False, tls=tls)
    if not (proxies := needed_of_proxies(plan)):
        return strangers, None
    return strangers, _manager(plan, proxies["http_connection_manager"], trusted=True, tls=tls)


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
        # Envoy's default; x-forwarded-client-cert from downstream would be a certificate that anybody can write.
        "forward_client_cert_details": "SANITIZE",
        **fields,
    }


def filter_chain(manager: Section) -> Section:
    """A filter chain that has nothing but that HttpConnectionManager."""
    return {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}


def _manager(plan: Plan, needed: Section, *, trusted: bool, tls: bool) -> Section:
    (early,) = needed["early_header_mutation_extensions"]
    early["typed_config"]["mutations"] += early_mutations(trusted=trusted, tls=tls)
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
        http_filters=[
            *(malformed_filter(), *_identity_filter(plan), *path_filter(plan), *plugin_filters(plan)),
            *(host_filter(), repeating_filter(), _router()),
        ],
        **access_log(plan),
        upgrade_configs=[{"upgrade_type": "websocket"}],
        **_routing(plan),
    )


def _routing(plan: Plan) -> Section:
    if plan.folder is None:
        return {"route_config": route_configuration(plan)}
    source = {"path_config_source": {"path": str(plan.folder / "routes.json")}, "resource_api_version": "V3"}
    return {"rds": {"config_source": source, "route_config_name": "outrider"}}


def _identity_filter(plan: Plan) -> list[Section]:
    """Does what its routes say: a connection keeps a listener that does not know of a changed file's new headers."""
    nothing = typed(f"{_FILTER}.HeaderMutation", mutations={})
    return [{"name": IDENTITY, "typed_config": nothing}] if plan.is_live else []


def identity_mutations(plan: Plan) -> Section:
    """What all routes say to that filter: nobody but a plugin says who calls."""
    return typed(f"{_FILTER}.HeaderMutationPerRoute", mutations={"request_mutations": _identity_headers(plan)})


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
