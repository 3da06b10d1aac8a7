"""What our Envoy must always set: settings that no request shows to be gone until somebody uses the gap."""

from pathlib import Path
from typing import Any

import pytest

from harness.rendering import Read, Section, configurations, manager, rendered, the_filter
from outrider_envoy.limits import BODY_LIMIT, STREAM_LIMIT

MIB = 1 << 20


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return configurations(tmp_path)


def listener(document: Section) -> Section:
    (found,) = document["static_resources"]["listeners"]
    config: Section = found
    return config


def workers(document: Section) -> Section:
    return next(one for one in document["static_resources"]["clusters"] if one["name"] == "outrider_workers")


def at(section: Section, path: str) -> object:
    """What is at `a.0.b`; None where a step is missing."""
    found: Any = section
    for step in path.split("."):
        found = found[int(step)] if step.lstrip("-").isdecimal() else found.get(step)
        if found is None:
            return None
    return found


LISTENER: list[tuple[str, object, str]] = [
    ("enable_reuse_port", False, "two gateways on one port would share the traffic silently"),
]

MANAGER: list[tuple[str, object, str]] = [
    ("use_remote_address", True, "a client would choose its own address by x-forwarded-for"),
    ("xff_num_trusted_hops", None, "the last hop of x-forwarded-for would be believed"),
    ("normalize_path", True, "/open/../admin would pass a route that protects /admin"),
    ("merge_slashes", True, "//admin would pass a route that protects /admin"),
    ("path_with_escaped_slashes_action", "REJECT_REQUEST", "/open/..%2fadmin would pass it"),
    (
        "common_http_protocol_options.headers_with_underscores_action",
        "REJECT_REQUEST",
        "x_consumer_id would reach an upstream that takes it for x-consumer-id",
    ),
    ("common_http_protocol_options.idle_timeout", "3600s", "a connection that nobody uses would be held for ever"),
    ("request_headers_timeout", "10s", "a client that sends its headers byte by byte would hold a connection"),
    ("stream_idle_timeout", "300s", "a client that stops in the middle would hold a stream"),
    ("http2_protocol_options.max_concurrent_streams", 100, "one connection could open streams without end"),
    ("http2_protocol_options.initial_stream_window_size", 65_536, "one stream that is not read could hold 16 MiB"),
    ("http2_protocol_options.initial_connection_window_size", MIB, "one connection could hold 24 MiB"),
    ("internal_address_config", None, "clients from private addresses could set x-envoy-* headers"),
    ("http_filters.-1.typed_config.suppress_envoy_headers", True, "downstream would learn upstream's timings"),
]

EXT_PROC: list[tuple[str, object, str]] = [
    ("failure_mode_allow", False, "requests would pass while no worker answers"),
    ("mutation_rules.disallow_is_error", True, "a change that Envoy does not make would be lost silently"),
    ("mutation_rules.allow_all_routing", None, "a plugin's host header would choose another upstream"),
    ("route_cache_action", "RETAIN", "a path that a plugin changed would choose a route with another chain"),
    ("observability_mode", None, "nobody would wait for the plugins"),
    ("allow_mode_override", None, "a worker could switch its own phases off"),
    ("disable_immediate_response", None, "a refusal would not be one"),
    ("grpc_service.retry_policy.retry_on", "connect-failure,refused-stream", "a chain that had run would run again"),
]

EXT_AUTHZ: list[tuple[str, object, str]] = [
    ("failure_mode_allow", False, "requests would pass while no worker answers"),
    ("encode_raw_headers", True, "two headers of one name would be one, and bytes would be lost"),
    ("clear_route_cache", False, "a path that a plugin changed would choose a route with another chain"),
    ("status_on_error.code", "InternalServerError", "what could not be checked would look like a plugin's 403"),
    ("grpc_service.retry_policy.retry_on", "connect-failure,refused-stream", "a chain that had run would run again"),
]

CEILING = 2 * STREAM_LIMIT
WORKERS: list[tuple[str, object, str]] = [
    ("common_lb_config.healthy_panic_threshold.value", 0, "with all workers down, dead ones would be asked"),
    ("common_lb_config.update_merge_window", "0s", "threads would learn a second late that a worker is back"),
    ("lb_policy", "ROUND_ROBIN", "one worker would have all the work"),
    *(
        (f"circuit_breakers.thresholds.0.{name}", CEILING, "Envoy would refuse at 1024 what the workers can take")
        for name in ("max_connections", "max_pending_requests", "max_requests")
    ),
    ("health_checks.0.unhealthy_threshold", 2, "a worker that hangs would be asked for long"),
    ("health_checks.0.timeout", "1s", "a worker that hangs would be asked for long"),
]


@pytest.mark.parametrize(("path", "value", "otherwise"), LISTENER)
def test_the_listener_always_sets(read: Read, path: str, value: object, otherwise: str) -> None:
    assert at(listener(rendered(read("{name: headers}"))), path) == value, otherwise


@pytest.mark.parametrize(("path", "value", "otherwise"), MANAGER)
@pytest.mark.parametrize("protocol", ["ext_proc", "ext_authz"])
def test_the_connection_manager_always_sets(
    read: Read, protocol: str, path: str, value: object, otherwise: str
) -> None:
    assert at(manager(rendered(read("{name: headers}", protocol=protocol))), path) == value, otherwise


@pytest.mark.parametrize(("path", "value", "otherwise"), EXT_PROC)
def test_ext_proc_always_sets(read: Read, path: str, value: object, otherwise: str) -> None:
    assert at(the_filter(rendered(read("{name: headers}"))), path) == value, otherwise


@pytest.mark.parametrize(("path", "value", "otherwise"), EXT_AUTHZ)
def test_ext_authz_always_sets(read: Read, path: str, value: object, otherwise: str) -> None:
    assert at(the_filter(rendered(read("{name: headers}", protocol="ext_authz"))), path) == value, otherwise


@pytest.mark.parametrize(("path", "value", "otherwise"), WORKERS)
@pytest.mark.parametrize("protocol", ["ext_proc", "ext_authz"])
def test_the_cluster_of_the_workers_always_sets(
    read: Read, protocol: str, path: str, value: object, otherwise: str
) -> None:
    assert at(workers(rendered(read("{name: headers}", protocol=protocol))), path) == value, otherwise


@pytest.mark.parametrize("plugin", ["request-body", "response-body"])
def test_what_is_held_for_a_plugin_that_reads_bodies_has_a_limit(read: Read, plugin: str) -> None:
    assert listener(rendered(read(f"{{name: {plugin}}}")))["per_connection_buffer_limit_bytes"] == BODY_LIMIT


@pytest.mark.parametrize("plugin", ["headers", "response-body", "response-chunks"])
def test_little_of_a_response_is_read_before_downstream_takes_it(read: Read, plugin: str) -> None:
    document = rendered(read(f"{{name: {plugin}}}"))
    orders = next(one for one in document["static_resources"]["clusters"] if one["name"] == "service_orders")
    assert orders["per_connection_buffer_limit_bytes"] == 262_144


def test_connections_have_a_ceiling(read: Read) -> None:
    (monitor,) = rendered(read("{name: headers}"))["overload_manager"]["resource_monitors"]
    assert monitor["typed_config"]["max_active_downstream_connections"] == 50_000
