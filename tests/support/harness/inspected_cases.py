"""For each rule but those about single routes, Envoys that break it, and words of what is said then."""

from harness.bootstrap import EXTENSIONS, typed
from harness.inspected_breaks import (
    Case,
    asker,
    before,
    behind,
    early,
    guard_before,
    guard_rules,
    http,
    manager,
    mixed_up,
    no_askers,
    no_cluster,
    no_guard,
    no_proxies,
    old,
    one_endpoint,
    other_listener,
    overrides,
    service,
    skipped,
    tcp,
    upgrades_of_their_own,
    workers,
)
from outrider_envoy.inspection import (
    asking_rules,
    cluster_rules,
    coverage_rules,
    ext_authz_rules,
    ext_proc_rules,
    manager_rules,
    order_rules,
    rate_limit_rules,
)

HALF = {"default_value": {"numerator": 50}}
MUTATES_PATH = {"request_mutations": [{"append": {"header": {"key": ":path", "value": "/other"}}}]}
DETECTION = {
    "name": "header",
    "typed_config": typed(f"{EXTENSIONS}.custom_header.v3.CustomHeaderConfig", header_name="x-ip"),
}

MANAGER = [
    Case(manager_rules.normal_paths, "ext_proc", manager(normalize_path=None), "/open/../orders"),
    Case(manager_rules.merged_slashes, "limits", manager(merge_slashes=False), "//orders"),
    Case(manager_rules.escaped_slashes, "ext_proc", manager(path_with_escaped_slashes_action=None), "REJECT_REQUEST"),
    Case(manager_rules.underscores, "ext_authz", manager(common_http_protocol_options=None), "x_consumer_id"),
    Case(manager_rules.remote_address, "ext_proc", manager(use_remote_address=None), "use_remote_address: true"),
    Case(
        manager_rules.remote_address,
        "ext_proc",
        manager(use_remote_address=None, original_ip_detection_extensions=[DETECTION]),
        "use_remote_address: true",
    ),
    Case(
        manager_rules.remote_address,
        "ext_proc",
        manager(xff_num_trusted_hops=2),
        "?x-forwarded-for is believed for 2",
    ),
    Case(manager_rules.internal_headers, "ext_proc", manager(use_remote_address=None), "x-envoy-*"),
    Case(manager_rules.identity_headers, "ext_proc", manager(early_header_mutation_extensions=None), "x-consumer-id"),
    Case(
        manager_rules.identity_headers, "ext_authz", early({"remove": "x-consumer-id"}), "in x-anonymous-consumer, "
    ),
    Case(manager_rules.seen_routes, "ext_proc", manager(route_config=None, scoped_routes={}), "routes are scoped"),
    Case(
        manager_rules.seen_routes,
        "ext_proc",
        manager(route_config=None, rds={"route_config_name": "far"}),
        "the route table far has not come",
    ),
]
ASKING = [
    Case(asking_rules.protocol, "ext_proc", mixed_up, "asks over ext_authz"),
    Case(asking_rules.somebody_elses_way, "ext_proc", service(envoy_grpc=None, google_grpc={}), "envoy_grpc"),
    Case(asking_rules.sometimes_skipped, "ext_proc", skipped, "ExtensionWithMatcher"),
    Case(asking_rules.impatience, "ext_proc", asker(message_timeout=None), "message_timeout is 0.2 s"),
    Case(asking_rules.impatience, "ext_authz", service(timeout="1s"), "grpc_service.timeout is 1 s"),
    Case(order_rules.no_guard, "ext_proc", no_guard, "as no filter asks for the mark"),
    Case(order_rules.no_guard, "ext_authz", guard_before, "stands before envoy.filters.http.ext_authz"),
    Case(order_rules.no_guard, "ext_proc", guard_rules(action="LOG"), "as no filter asks for the mark"),
    Case(
        order_rules.no_guard, "ext_proc", guard_rules(policies={"all": {"principals": [{"any": True}]}}), "no filter"
    ),
    Case(order_rules.cached_replies, "ext_proc", before("cache.v3.CacheConfig"), "answers out of its cache"),
    Case(
        order_rules.route_chosen_anew,
        "ext_proc",
        behind("jwt_authn.v3.JwtAuthentication", providers={"one": {"clear_route_cache": True}}),
        "the filter other behind envoy.filters.http.ext_proc",
    ),
    Case(
        order_rules.other_target,
        "ext_proc",
        behind("header_mutation.v3.HeaderMutation", mutations=MUTATES_PATH),
        "changes the path",
    ),
    Case(
        order_rules.other_target,
        "ext_proc",
        behind("grpc_json_transcoder.v3.GrpcJsonTranscoder"),
        "the host or the method",
    ),
    Case(order_rules.programs, "ext_proc", behind("lua.v3.Lua"), "?may change what the plugins have judged"),
]
EXT_PROC_CASES = [
    Case(ext_proc_rules.passing_failures, "ext_proc", asker(failure_mode_allow=True), "failure_mode_allow: false"),
    Case(ext_proc_rules.watching_only, "ext_proc", asker(observability_mode=True), "observability_mode"),
    Case(ext_proc_rules.no_replies, "ext_proc", asker(disable_immediate_response=True), "no plugin can refuse"),
    Case(ext_proc_rules.lost_marks, "ext_proc", asker(metadata_options=None), "untyped: [outrider]"),
    Case(ext_proc_rules.ignored_overrides, "ext_proc", asker(allow_mode_override=None), "an upgrade hangs"),
    Case(
        ext_proc_rules.ignored_overrides, "example", asker(allow_mode_override=None), "?bodies that no plugin needs"
    ),
    Case(ext_proc_rules.ignored_overrides, "ext_proc", asker(allowed_override_modes=[{}]), "allowed_override_modes"),
    Case(
        ext_proc_rules.unheard_bodies,
        "ext_proc",
        asker(send_body_without_waiting_for_header_response=True),
        "what an answer says about a body",
    ),
    Case(ext_proc_rules.silent_mutations, "ext_proc", asker(mutation_rules=None), "left out in silence"),
    Case(
        ext_proc_rules.forbidden_mutations,
        "ext_proc",
        asker(mutation_rules={"disallow_is_error": True, "disallow_all": True}),
        "take disallow_all out",
    ),
    Case(ext_proc_rules.other_route, "ext_proc", asker(route_cache_action="CLEAR"), "route_cache_action: RETAIN"),
    Case(ext_proc_rules.unknown_client, "ext_proc", asker(request_attributes=None), "request_attributes"),
    Case(ext_proc_rules.hidden_headers, "ext_proc", asker(forward_rules={"disallowed_headers": {}}), "forward_rules"),
]
EXT_AUTHZ_CASES = [
    Case(ext_authz_rules.passing_failures, "ext_authz", asker(failure_mode_allow=True), "requests pass when"),
    Case(
        ext_authz_rules.impatient_tries,
        "ext_authz",
        service(retry_policy={"retry_back_off": {"base_interval": "0.001s"}}),
        "a try may take 0.01 s",
    ),
    Case(ext_authz_rules.sometimes_asked, "ext_authz", asker(filter_enabled=HALF), "some requests pass without"),
    Case(ext_authz_rules.joined_headers, "ext_authz", asker(encode_raw_headers=None), "encode_raw_headers: true"),
    Case(ext_authz_rules.hidden_headers, "ext_authz", asker(allowed_headers={"patterns": []}), "allowed_headers"),
    Case(
        ext_authz_rules.forbidden_mutations,
        "ext_authz",
        asker(decoder_header_mutation_rules={"disallow_all": True}),
        "decoder_header_mutation_rules",
    ),
    Case(ext_authz_rules.other_route, "ext_authz", asker(clear_route_cache=True), "clear_route_cache: false"),
    Case(
        ext_authz_rules.lost_marks,
        "ext_authz",
        asker(enable_dynamic_metadata_ingestion=False),
        "mark of a decision is dropped",
    ),
    Case(ext_authz_rules.unread_bodies, "ext_authz", asker(with_request_body=None), "do not get it whole"),
    Case(
        ext_authz_rules.unread_bodies,
        "ext_authz",
        asker(with_request_body={"max_request_bytes": 1024, "pack_as_bytes": True}),
        "?max_request_bytes: 10485760",
    ),
    Case(ext_authz_rules.proxies_address, "proxies", service(initial_metadata=None), "outrider-client"),
]
CLUSTERS = [
    Case(cluster_rules.absent, "ext_proc", no_cluster, "cluster outrider_workers: there is no such cluster"),
    Case(cluster_rules.few_endpoints, "ext_proc", one_endpoint, "it has 1 of the endpoints of 2 workers"),
    Case(cluster_rules.no_http2, "ext_proc", workers(typed_extension_protocol_options=None), "HTTP/2"),
    Case(cluster_rules.no_health_check, "limits", workers(health_checks=None), "?grpc_health_check"),
    Case(cluster_rules.panic, "ext_proc", workers(common_lb_config={}), "?healthy_panic_threshold: {value: 0}"),
    Case(cluster_rules.few_requests, "ext_proc", workers(circuit_breakers=None), "?max_requests is 1024"),
]
COVERAGE = [
    Case(coverage_rules.nobody_asks, "ext_proc", no_askers, "no ext_proc filter of any listener asks the workers"),
    Case(coverage_rules.nobody_limits, "limits", no_askers, "holds for nobody"),
    Case(
        coverage_rules.unreached,
        "ext_proc",
        overrides("told", grpc_initial_metadata=[{"key": "outrider-route", "value": "read"}]),
        "no route of this Envoy names the route told of the file",
    ),
    Case(coverage_rules.proxies_address, "proxies", no_proxies, "no listener believes gateway.trusted_ips"),
    Case(coverage_rules.silent_replies, "ext_proc", old, "?an Envoy of 1.36 runs no response hook"),
    Case(
        coverage_rules.http_past_the_workers,
        "ext_proc",
        other_listener(http("orders")),
        "listener second: no filter of it asks the workers, and it leads to where plugins guard",
    ),
    Case(
        coverage_rules.http_past_the_workers,
        "ext_proc",
        other_listener(http("mine")),
        "?listener second: warning: no filter of it asks the workers, so no plugin runs there",
    ),
    Case(
        coverage_rules.http_past_the_workers,
        "ext_proc",
        other_listener(http("orders", route_config=None, scoped_routes={})),
        "its routes are scoped, so it may lead to what plugins guard",
    ),
    Case(
        coverage_rules.http_past_the_workers,
        "ext_proc",
        upgrades_of_their_own,
        "listener main, upgrade websocket: no filter of it asks the workers",
    ),
    Case(coverage_rules.tcp_past_the_workers, "ext_proc", other_listener(tcp("goods")), "it is a TCP proxy"),
]
LIMITS = [
    Case(rate_limit_rules.passing_failures, "limits", asker(failure_mode_deny=None), "failure_mode_deny: true"),
    Case(rate_limit_rules.sometimes_asked, "limits", asker(filter_enforced=HALF), "take filter_enforced away"),
    Case(rate_limit_rules.sometimes_asked, "limits", asker(request_type="internal"), "request_type: both"),
    Case(rate_limit_rules.impatience, "limits", asker(timeout=None), "an answer may take 0.02 s"),
    Case(rate_limit_rules.unknown_domain, "limits", asker(domain="shops"), 'did you mean "shop"?'),
    Case(
        rate_limit_rules.unserved,
        "ext_proc",
        behind(
            "ratelimit.v3.RateLimit",
            rate_limit_service={"grpc_service": {"envoy_grpc": {"cluster_name": "outrider_workers"}}},
        ),
        "the file has no gateway.rate_limit_service",
    ),
]
CASES = [*MANAGER, *ASKING, *EXT_PROC_CASES, *EXT_AUTHZ_CASES, *CLUSTERS, *COVERAGE, *LIMITS]
