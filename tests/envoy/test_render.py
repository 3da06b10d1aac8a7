"""Envoy's configuration, as far as it follows from the chains and the routes."""

from pathlib import Path

import pytest

from harness.rendering import PLUGINS, Read, configurations, manager, per_route, planned, rendered, the_filter
from outrider.auth import IDENTITY_HEADERS
from outrider_envoy.capabilities import unsupported
from outrider_envoy.render import pieces


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return configurations(tmp_path)


@pytest.mark.parametrize(
    ("plugin", "modes"),
    [
        # request header, body, trailer; response header, body, trailer
        ("headers", "SEND NONE SKIP SKIP NONE SKIP"),
        ("request-body", "SEND BUFFERED SEND SKIP NONE SKIP"),
        ("on-response", "SEND NONE SKIP SEND NONE SKIP"),
        ("response-body", "SEND NONE SKIP SEND BUFFERED SEND"),
        ("request-chunks", "SEND STREAMED SEND SKIP NONE SKIP"),
        ("response-chunks", "SEND NONE SKIP SEND STREAMED SEND"),
        ("logs", "SEND NONE SKIP SEND NONE SEND"),
        ("tells", "SEND NONE SKIP SKIP NONE SKIP"),
    ],
)
def test_a_phase_that_no_plugin_of_a_route_needs_is_not_sent(read: Read, plugin: str, modes: str) -> None:
    document = rendered(read(f"{{name: {plugin}, route: one}}", "{name: headers, route: two}"))
    kinds = ("header", "body", "trailer")
    names = [f"{message}_{kind}_mode" for message in ("request", "response") for kind in kinds]
    assert per_route(document, "one")["overrides"]["processing_mode"] == dict(zip(names, modes.split(), strict=True))
    assert per_route(document, "two")["overrides"]["processing_mode"]["response_header_mode"] == "SKIP"


def test_the_modes_of_several_plugins_are_added_up(read: Read) -> None:
    document = rendered(read("{name: request-body}", "{name: response-body, route: one}", "{name: logs, route: two}"))
    mode = per_route(document, "one")["overrides"]["processing_mode"]
    assert (mode["request_body_mode"], mode["response_body_mode"]) == ("BUFFERED", "BUFFERED")
    mode = per_route(document, "two")["overrides"]["processing_mode"]
    assert (mode["request_body_mode"], mode["response_body_mode"]) == ("BUFFERED", "NONE")


@pytest.mark.parametrize("protocol", ["ext_proc", "ext_authz"])
def test_a_route_without_plugins_asks_nobody(read: Read, protocol: str) -> None:
    document = rendered(read("{name: headers, route: one}", protocol=protocol))
    assert per_route(document, "two")["disabled"] is True
    assert per_route(document, "outrider_no_route")["disabled"] is True
    assert "disabled" not in per_route(document, "one")


def test_each_route_tells_the_workers_its_name(read: Read) -> None:
    document = rendered(read("{name: headers}"))
    metadata = per_route(document, "one")["overrides"]["grpc_initial_metadata"]
    assert metadata == [{"key": "outrider-route", "value": "one"}]
    document = rendered(read("{name: headers}", protocol="ext_authz"))
    assert per_route(document, "two")["check_settings"]["context_extensions"] == {"outrider-route": "two"}


def test_a_route_whose_plugins_write_paths_says_that_it_takes_marked_ones(read: Read) -> None:
    marked = {"outrider-route": "one", "outrider-path": "marked"}
    document = rendered(read("{name: rewrites}"))
    metadata = per_route(document, "one")["overrides"]["grpc_initial_metadata"]
    assert {one["key"]: one["value"] for one in metadata} == marked
    assert the_filter(document)["mutation_rules"]["allow_expression"] == {"regex": ":method"}
    document = rendered(read("{name: rewrites}", protocol="ext_authz"))
    assert per_route(document, "one")["check_settings"]["context_extensions"] == marked


def test_the_routes_of_another_envoy_take_no_marked_paths(read: Read) -> None:
    routes = next(piece.content for piece in pieces(planned(read("{name: rewrites}"))) if piece.name == "routes")
    metadata = next(iter(routes["one"].values()))["overrides"]["grpc_initial_metadata"]
    assert metadata == [{"key": "outrider-route", "value": "one"}]


def test_a_plugin_that_replaces_bodies_is_refused_where_the_protocol_carries_none(read: Read) -> None:
    (mistake,) = unsupported(read("{name: rewrites}", protocol="ext_authz"))
    assert "plugin rewrites: replaces bodies of requests, which ext_authz can't carry" in str(mistake)


@pytest.mark.parametrize("protocol", ["ext_proc", "ext_authz"])
def test_nothing_passes_when_the_workers_fail(read: Read, protocol: str) -> None:
    assert the_filter(rendered(read("{name: headers}", protocol=protocol)))["failure_mode_allow"] is False


@pytest.mark.parametrize(
    ("plugins", "expected"),
    [
        (["{name: headers, config: {timeout: 250}}"], "1.250s"),
        (["{name: headers, config: {timeout: 2000}}", "{name: client, config: {timeout: 3000}}"], "6.000s"),
        (
            [
                "{name: headers, route: one, config: {timeout: 100}}",
                "{name: client, route: two, config: {timeout: 200}}",
            ],
            "1.200s",
        ),
    ],
)
def test_envoy_waits_longer_than_any_chain_may_take(read: Read, plugins: list[str], expected: str) -> None:
    assert the_filter(rendered(read(*plugins)))["message_timeout"] == expected
    authz = the_filter(rendered(read(*plugins, protocol="ext_authz")))
    assert authz["grpc_service"]["timeout"] == expected


@pytest.mark.parametrize(("budget", "expected"), [(0, "0.750s"), (2000, "2.750s")])
def test_envoy_waits_for_requests_that_wait_for_their_worker(read: Read, budget: int, expected: str) -> None:
    configuration = read("{name: headers, config: {timeout: 250}}", queue_budget=budget)
    assert the_filter(rendered(configuration))["message_timeout"] == expected


@pytest.mark.parametrize(("plugin", "asked"), [("client", True), ("headers", False)])
def test_the_clients_address_is_asked_for_only_where_a_plugin_looks(read: Read, plugin: str, *, asked: bool) -> None:
    config = the_filter(rendered(read(f"{{name: {plugin}}}")))
    assert ("source.address" in config.get("request_attributes", [])) is asked


@pytest.mark.parametrize("protocol", ["ext_proc", "ext_authz"])
def test_identity_headers_are_removed_before_any_filter(read: Read, protocol: str) -> None:
    (extension,) = manager(rendered(read("{name: knows, route: one}", protocol=protocol)))[
        "early_header_mutation_extensions"
    ]
    removed = {mutation["remove"] for mutation in extension["typed_config"]["mutations"]}
    assert removed >= IDENTITY_HEADERS | {"x-user-email"}


def test_paths_mean_one_thing(read: Read) -> None:
    config = manager(rendered(read("{name: headers}")))
    assert (config["normalize_path"], config["merge_slashes"]) == (True, True)
    assert config["path_with_escaped_slashes_action"] == "REJECT_REQUEST"
    assert config["common_http_protocol_options"]["headers_with_underscores_action"] == "REJECT_REQUEST"


def test_each_worker_is_an_endpoint(read: Read) -> None:
    document = rendered(read("{name: headers}"))
    cluster = next(one for one in document["static_resources"]["clusters"] if one["name"] == "outrider_workers")
    (group,) = cluster["load_assignment"]["endpoints"]
    assert [one["endpoint"]["address"]["pipe"]["path"] for one in group["lb_endpoints"]] == ["/run/w0", "/run/w1"]
    assert cluster["common_lb_config"]["healthy_panic_threshold"] == {"value": 0}


@pytest.mark.parametrize(
    ("plugin", "hook", "what"),
    [
        ("request-chunks", "on_request_chunk", "bodies piece by piece"),
        ("response-chunks", "on_response_chunk", "a response phase"),
        ("on-response", "on_response", "a response phase"),
        ("response-body", "on_response_body", "a response phase"),
        ("logs", "on_log", "the end of a request"),
    ],
)
def test_what_ext_authz_has_not_is_refused_with_file_and_line(read: Read, plugin: str, hook: str, what: str) -> None:
    configuration = read("{name: headers}", f"\n  {{name: {plugin}}}", protocol="ext_authz")
    (mistake,) = unsupported(configuration)
    text = Path(mistake.file).read_text().splitlines()
    assert f"name: {plugin}" in text[mistake.line - 1]
    assert Path(mistake.file).name == "outrider.yaml"
    assert f"needs {hook}, and ext_authz has not {what}" in str(mistake)
    assert "set gateway.protocol to ext_proc" in str(mistake)


@pytest.mark.parametrize("plugin", ["headers", "client", "tells", "optional", "knows"])
def test_what_ext_authz_has_or_a_plugin_can_live_without_is_not_refused(read: Read, plugin: str) -> None:
    assert not unsupported(read(f"{{name: {plugin}}}", protocol="ext_authz"))


@pytest.mark.parametrize("plugin", sorted(PLUGINS))
def test_ext_proc_has_everything(read: Read, plugin: str) -> None:
    assert not unsupported(read(f"{{name: {plugin}}}"))
