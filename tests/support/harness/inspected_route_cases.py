"""For each rule about single routes, Envoys that break it, and words of what is said then."""

from harness.bootstrap import FILTERS, typed
from harness.inspected import setting
from harness.inspected_breaks import Case, check, mode, on, overrides
from outrider_envoy.inspection import phase_rules, route_rules

EXT_PROC, RBAC = "envoy.filters.http.ext_proc", "envoy.filters.http.rbac"
SWITCH = "type.googleapis.com/envoy.config.route.v3.FilterConfig"

ROUTE_CASES = [
    Case(
        route_rules.unknown_name,
        "ext_proc",
        overrides("told", grpc_initial_metadata=[{"key": "outrider-route", "value": "tolt"}]),
        'outrider-route is "tolt", which is no route of the file, so all requests are refused: did you mean "told"?',
    ),
    Case(
        route_rules.hidden_name,
        "ext_authz",
        setting(lambda envoy: envoy.route("told"), name="mine"),
        "?does not show which route",
    ),
    Case(
        route_rules.left_out,
        "ext_proc",
        on("told", EXT_PROC, typed(f"{FILTERS}.ext_proc.v3.ExtProcPerRoute", disabled=True)),
        "its plugins do not run",
    ),
    Case(route_rules.left_out, "ext_proc", on("told", EXT_PROC, typed(SWITCH, disabled=True)), "its plugins do not"),
    Case(
        route_rules.guard_left_out,
        "ext_proc",
        on("told", RBAC, typed(f"{FILTERS}.rbac.v3.RBACPerRoute")),
        "requests that no plugin decided on pass, as the filter envoy.filters.http.rbac is off",
    ),
    Case(route_rules.guard_alone, "ext_proc", on("plain", RBAC, None), "?all requests are refused"),
    Case(
        route_rules.unheard,
        "ext_proc",
        on("told", "ext_proc", typed(f"{FILTERS}.ext_proc.v3.ExtProcPerRoute", disabled=True)),
        "what it says to ext_proc is ignored",
    ),
    Case(route_rules.unheard, "ext_proc", on("told", "cors", typed("Cors")), "?what it says to cors is ignored"),
    Case(
        route_rules.passing_failures, "ext_proc", overrides("told", failure_mode_allow=True), "out of the overrides"
    ),
    Case(
        route_rules.lost_marks,
        "ext_proc",
        overrides("told", metadata_options={"receiving_namespaces": {}}),
        "add outrider to metadata_options",
    ),
    Case(
        route_rules.impatience,
        "ext_authz",
        check("told", grpc_service={"envoy_grpc": {"cluster_name": "outrider_workers"}}),
        "grpc_service.timeout is 0.2 s, and an answer may take",
    ),
    Case(
        route_rules.asks_somebody_else,
        "ext_proc",
        overrides("told", grpc_service={"envoy_grpc": {"cluster_name": "mine"}}),
        "but another cluster",
    ),
    Case(
        phase_rules.phases,
        "ext_proc",
        mode("watched", response_header_mode="SKIP"),
        "response_header_mode is SKIP, and plugins of the route watched need SEND",
    ),
    Case(phase_rules.phases, "ext_proc", mode("told", request_header_mode="SKIP"), "request_header_mode is SKIP"),
    Case(phase_rules.phases, "ext_proc", mode("read", request_body_mode="STREAMED"), "need BUFFERED"),
    Case(phase_rules.phases, "ext_proc", mode("watched", response_body_mode=None), "is not set, and plugins of"),
    Case(phase_rules.phases, "ext_proc", mode("read", request_trailer_mode=None), "request_trailer_mode: SEND"),
    Case(
        phase_rules.phases,
        "ext_proc",
        on("watched", EXT_PROC, None),
        "name the route to the workers by outrider-route",
    ),
    Case(
        phase_rules.duplex,
        "ext_proc",
        mode("watched", response_body_mode="FULL_DUPLEX_STREAMED"),
        "?set it to STREAMED",
    ),
    Case(
        phase_rules.reply_headers,
        "ext_proc",
        on("told", "envoy.filters.http.header_mutation", None),
        "downstream does not get x-a, which plugins of the route told set",
    ),
    Case(
        phase_rules.room,
        "ext_proc",
        setting(lambda envoy: envoy.listener, per_connection_buffer_limit_bytes=None),
        "?of more than 1048576 bytes",
    ),
    Case(phase_rules.unread_bodies, "ext_authz", check("read", disable_request_body_buffering=True), "get it whole"),
    Case(
        phase_rules.unread_bodies, "ext_authz", check("read", context_extensions={"outrider-route": "read"}), "whole"
    ),
    Case(
        phase_rules.needless_bodies, "ext_authz", check("told", disable_request_body_buffering=None), "?Envoy holds"
    ),
]
