"""Clusters and route actions, as far as they follow from services, upstreams and targets."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.authority import Authority
from harness.forwarding import plan_of, read
from outrider.config import Configuration, Target
from outrider_envoy.capabilities import printed_keys, unsupported
from outrider_envoy.render import Plan
from outrider_envoy.render.clusters import clusters
from outrider_envoy.render.endpoints import watched_assignments
from outrider_envoy.render.upstream_action import forward

Section = dict[str, Any]
Read = Callable[..., Configuration]
HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


@pytest.fixture
def pool(tmp_path: Path) -> Read:
    """A service whose host is an upstream with these fields."""

    def read_it(service: Section | None = None, **upstream: Any) -> Configuration:
        fields = {"name": "orders", "host": "pool", **(service or {})}
        targets = {"targets": [{"target": "10.0.0.1:9001"}]}
        return read(tmp_path, upstreams=[{"name": "pool", **targets, **upstream}], services=[fields])

    return read_it


@pytest.fixture
def alone(tmp_path: Path) -> Read:
    """A service without an upstream."""

    def read_it(url: str, **fields: Any) -> Configuration:
        return read(tmp_path, services=[{"name": "orders", "url": url, **fields}])

    return read_it


def cluster(configuration: Configuration, **fields: Any) -> Section:
    return clusters(plan_of(configuration, **fields))[0]


def action(configuration: Configuration) -> Section:
    return forward(configuration.routes[0])


def endpoints(found: Section) -> list[Section]:
    (group,) = found["load_assignment"]["endpoints"]
    rows: list[Section] = group["lb_endpoints"]
    return rows


def tls(found: Section) -> Section:
    context: Section = found["transport_socket"]["typed_config"]
    return context


@pytest.mark.parametrize(
    ("url", "kind", "address"),
    [
        ("http://10.0.0.1:9001", "STATIC", ("10.0.0.1", 9001)),
        ("http://[::1]:9001", "STATIC", ("::1", 9001)),
        ("http://orders.internal", "envoy.cluster.dns", ("orders.internal", 80)),
        ("https://orders.internal", "envoy.cluster.dns", ("orders.internal", 443)),
        ("grpcs://orders.internal", "envoy.cluster.dns", ("orders.internal", 443)),
    ],
)
def test_a_name_is_looked_up_and_an_address_is_not(
    alone: Read, url: str, kind: str, address: tuple[str, int]
) -> None:
    found = cluster(alone(url))
    assert (found.get("type") or found["cluster_type"]["name"]) == kind
    (one,) = endpoints(found)
    socket = one["endpoint"]["address"]["socket_address"]
    assert (socket["address"], socket["port_value"]) == address


def test_no_limit_is_envoys_own(alone: Read) -> None:
    (limits,) = cluster(alone("http://10.0.0.1"))["circuit_breakers"]["thresholds"]
    assert {name: value > 1000 for name, value in limits.items()} == dict.fromkeys(
        ["max_connections", "max_pending_requests", "max_requests", "max_retries"], True
    )


@pytest.mark.parametrize(
    ("url", "version"),
    [("http://a.b", "http_protocol_options"), ("grpc://a.b", "http2_protocol_options")],
)
def test_grpc_upstreams_speak_http_2_and_others_http_1(alone: Read, url: str, version: str) -> None:
    options = cluster(alone(url))["typed_extension_protocol_options"][HTTP]
    assert list(options["explicit_http_config"]) == [version]


def test_times_and_retries_are_the_services(alone: Read) -> None:
    configuration = alone("http://a.b", connect_timeout=1, write_timeout=2, read_timeout=3000, retries=4)
    assert cluster(configuration)["connect_timeout"] == "0.001s"
    found = action(configuration)
    assert (found["timeout"], found["idle_timeout"]) == ("0s", "3.000s")
    assert found["retry_policy"]["num_retries"] == 4
    assert found["retry_policy"]["per_try_idle_timeout"] == "3.000s"


def test_what_upstream_may_have_begun_with_is_not_repeated_by_the_route(alone: Read) -> None:
    words = set(action(alone("http://a.b"))["retry_policy"]["retry_on"].split(","))
    assert words == {"connect-failure", "refused-stream", "reset-before-request"}


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://a.b", "a.b"),
        ("http://a.b:8080", "a.b:8080"),
        ("https://a.b", "a.b"),
        ("https://a.b:80", "a.b:80"),
        ("grpc://a.b", "a.b"),
        ("http://[::1]:9", "[::1]:9"),
    ],
)
def test_the_host_has_a_port_where_it_is_not_the_protocols(alone: Read, url: str, host: str) -> None:
    assert action(alone(url))["host_rewrite_literal"] == host


@pytest.mark.parametrize(
    ("protocol", "upstream", "host"),
    [
        ("http", {}, "10.0.0.1:9001"),
        ("http", {"targets": [{"target": "a.b:80"}]}, "a.b"),
        ("http", {"targets": [{"target": "a.b"}]}, "a.b:8000"),
        ("http", {"targets": [{"target": "[::1]:9"}]}, "[::1]:9"),
        ("https", {"targets": [{"target": "a.b:8443"}]}, "a.b"),
        ("https", {}, "10.0.0.1:9001"),
        ("http", {"host_header": "x.y"}, "x.y:9001"),
        ("http", {"host_header": "x.y:81"}, "x.y:81"),
        ("https", {"host_header": "x.y"}, "x.y:9001"),
    ],
)
def test_a_target_is_asked_for_its_host(pool: Read, protocol: str, upstream: Section, host: str) -> None:
    configuration = pool({"protocol": protocol}, **upstream)
    (one,) = endpoints(cluster(configuration))
    assert one["endpoint"]["hostname"] == host
    assert action(configuration)["auto_host_rewrite"] is True


def test_a_host_that_is_kept_is_not_rewritten(pool: Read) -> None:
    found = action(pool({"route": {"preserve_host": True}}))
    assert not {"auto_host_rewrite", "host_rewrite_literal"} & found.keys()


def test_weights_go_along_and_none_is_left_out(pool: Read) -> None:
    targets = [{"target": "10.0.0.1", "weight": 0}, {"target": "10.0.0.2", "weight": 7}, {"target": "10.0.0.3"}]
    rows = endpoints(cluster(pool(targets=targets)))
    assert [row["load_balancing_weight"] for row in rows] == [7, 100]


def test_one_name_among_the_targets_is_looked_up_with_the_rest(pool: Read) -> None:
    found = cluster(pool(targets=[{"target": "10.0.0.1"}, {"target": "a.b"}]))
    assert found["cluster_type"]["name"] == "envoy.cluster.dns"


def test_an_upstream_without_targets_has_nobody_to_ask(pool: Read) -> None:
    assert endpoints(cluster(pool(targets=[]))) == []


@pytest.mark.parametrize(
    ("fields", "policy"),
    [
        ({}, "ROUND_ROBIN"),
        ({"algorithm": "round-robin"}, "ROUND_ROBIN"),
        ({"algorithm": "least-connections"}, "LEAST_REQUEST"),
        ({"hash_on": "ip"}, "MAGLEV"),
        ({"algorithm": "consistent-hashing", "hash_on": "ip"}, "MAGLEV"),
    ],
)
def test_each_algorithm_has_its_policy_and_none_uses_ill_targets(pool: Read, fields: Section, policy: str) -> None:
    found = cluster(pool(**fields))
    assert found["lb_policy"] == policy
    assert found["common_lb_config"]["healthy_panic_threshold"] == {"value": 0}


@pytest.mark.parametrize(("slots", "size"), [(10_000, 10_007), (65_536, 65_537), (11, 11), (10, 11)])
def test_slots_are_the_next_prime_number(pool: Read, slots: int, size: int) -> None:
    assert cluster(pool(hash_on="ip", slots=slots))["maglev_lb_config"] == {"table_size": size}


@pytest.mark.parametrize(("threshold", "least"), [(0, 0), (0.5, 1), (50, 51), (99.9, 100)])
def test_a_threshold_refuses_all_where_no_more_are_well(pool: Read, threshold: float, least: int) -> None:
    common = cluster(pool(healthchecks={"threshold": threshold}))["common_lb_config"]
    assert common["healthy_panic_threshold"] == {"value": least}
    assert ("zone_aware_lb_config" in common) is bool(threshold)


def _query(name: str) -> Section:
    return {"query_parameter": {"name": name}}


def _header(name: str) -> Section:
    return {"header": {"header_name": name}}


PATH = {"header": {"header_name": ":path", "regex_rewrite": {"pattern": {"regex": "[?].*$"}, "substitution": ""}}}
COOKIE = {
    "cookie": {"name": "sid", "ttl": "0s", "path": "/a", "attributes": [{"name": "SameSite", "value": "Lax"}]},
}


@pytest.mark.parametrize(
    ("fields", "policies"),
    [
        ({"hash_on": "consumer"}, [_header("x-consumer-id"), _header("x-credential-identifier")]),
        ({"hash_on": "ip"}, [{"connection_properties": {"source_ip": True}}]),
        ({"hash_on": "header", "hash_on_header": "X-A"}, [_header("x-a")]),
        ({"hash_on": "cookie", "hash_on_cookie": "sid", "hash_on_cookie_path": "/a"}, [COOKIE]),
        ({"hash_on": "path"}, [PATH]),
        ({"hash_on": "query_arg", "hash_on_query_arg": "id"}, [_query("id")]),
        (
            {
                "hash_on": "query_arg",
                "hash_on_query_arg": "a",
                "hash_fallback": "header",
                "hash_fallback_header": "x-b",
            },
            [_query("a"), _header("x-b")],
        ),
        ({}, []),
    ],
)
def test_what_is_hashed_comes_first_and_its_fallback_behind(
    pool: Read, fields: Section, policies: list[Section]
) -> None:
    found = action(pool(**fields)).get("hash_policy", [])
    assert found == [policy | {"terminal": True} for policy in policies]


def test_active_checks_that_count_nothing_are_not_made(pool: Read) -> None:
    active = {"healthy": {"interval": 1, "successes": 1}, "unhealthy": {"interval": 1}}
    assert "health_checks" not in cluster(pool(healthchecks={"active": active}))


def test_active_checks_have_their_fields(pool: Read) -> None:
    active = {
        "timeout": 2,
        "http_path": "/healthy",
        "headers": {"x-a": ["b", "c"]},
        "healthy": {"interval": 3, "successes": 4},
        "unhealthy": {"interval": 5, "http_failures": 6, "timeouts": 7, "http_statuses": [500, 503]},
    }
    found = cluster(pool(host_header="x.y", healthchecks={"active": active}))
    (check,) = found["health_checks"]
    question = check["http_health_check"]
    assert (check["timeout"], check["interval"], check["no_traffic_interval"]) == ("2.000s", "3.000s", "3.000s")
    assert (check["unhealthy_interval"], check["unhealthy_threshold"], check["healthy_threshold"]) == ("5.000s", 6, 4)
    assert question["path"] == "/healthy"
    assert question["retriable_statuses"] == [{"start": 500, "end": 501}, {"start": 503, "end": 504}]
    expected = [{"start": 100, "end": 500}, {"start": 501, "end": 503}, {"start": 504, "end": 600}]
    assert question["expected_statuses"] == expected
    assert [one["header"]["value"] for one in question["request_headers_to_add"]] == ["b", "c"]
    (one,) = endpoints(found)
    assert one["endpoint"]["health_check_config"] == {"hostname": "x.y"}


@pytest.mark.parametrize(
    ("protocol", "kind", "question", "socket"),
    [
        ("http", "tcp", "tcp_health_check", None),
        ("http", "http", "http_health_check", None),
        ("https", "http", "http_health_check", "raw_buffer"),
        ("http", "https", "http_health_check", "tls"),
        ("grpc", "grpc", "grpc_health_check", None),
        ("grpcs", "grpcs", "grpc_health_check", "tls"),
    ],
)
def test_each_type_of_check_asks_in_its_own_way(
    pool: Read, protocol: str, kind: str, question: str, socket: str | None
) -> None:
    active = {"type": kind, "healthy": {"interval": 1}, "unhealthy": {"tcp_failures": 1}}
    found = cluster(pool({"protocol": protocol}, host_header="x.y", healthchecks={"active": active}))
    assert question in found["health_checks"][0]
    sockets = [
        one["transport_socket"]["name"].rpartition(".")[2] for one in found.get("transport_socket_matches", [])
    ]
    assert sockets == ([] if socket is None else [socket])


def test_passive_checks_count_their_own_statuses_only(pool: Read) -> None:
    unhealthy = {"http_failures": 3, "http_statuses": [503, 429], "tcp_failures": 5, "timeouts": 4}
    found = cluster(pool(healthchecks={"passive": {"unhealthy": unhealthy}}))
    breaker = found["outlier_detection"]
    assert (breaker["consecutive_5xx"], breaker["consecutive_local_origin_failure"]) == (3, 4)
    assert breaker["max_ejection_percent"] == 100
    assert "429|503" in json.dumps(found["typed_extension_protocol_options"])


@pytest.mark.parametrize(
    ("unhealthy", "off"),
    [({"http_failures": 3}, "consecutive_local_origin_failure"), ({"tcp_failures": 3}, "consecutive_5xx")],
)
def test_what_is_0_opens_no_breaker(pool: Read, unhealthy: Section, off: str) -> None:
    breaker = cluster(pool(healthchecks={"passive": {"unhealthy": unhealthy}}))["outlier_detection"]
    assert breaker[f"enforcing_{off}"] == 0


def test_by_default_nobody_is_asked_and_no_breaker_opens(pool: Read) -> None:
    assert not {"health_checks", "outlier_detection"} & cluster(pool()).keys()


def test_by_default_a_certificate_is_not_checked(alone: Read) -> None:
    context = tls(cluster(alone("https://a.b")))
    assert context["sni"] == "a.b"
    assert "validation_context" not in context["common_tls_context"]


def test_a_certificate_that_is_checked_has_to_be_for_the_host_and_from_the_system(
    alone: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authorities = tmp_path / "authorities.pem"
    authorities.write_text(Authority().cert_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    validation = tls(cluster(alone("https://a.b", tls_verify=True, tls_verify_depth=2)))["common_tls_context"][
        "validation_context"
    ]
    assert validation == {
        "trusted_ca": {"filename": str(authorities)},
        "max_verify_depth": 2,
        "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "a.b"}}],
    }


def test_private_keys_are_not_in_what_is_rendered(tmp_path: Path) -> None:
    shown = Authority().sign("client")
    (tmp_path / "client.key").write_text(shown.key_pem)
    certificate = {"id": "client", "cert": shown.cert_pem, "key": "{vault://file/client.key}"}
    service = {"name": "orders", "url": "https://a.b", "client_certificate": {"id": "client"}}
    configuration = read(tmp_path, certificates=[certificate], services=[service])
    (pair,) = tls(cluster(configuration))["common_tls_context"]["tls_certificates"]
    assert pair["private_key"] == {"filename": str(tmp_path / "client.key")}
    assert not list(printed_keys(configuration))
    plain = read(tmp_path, certificates=[certificate | {"key": shown.key_pem}], services=[service])
    (mistake,) = printed_keys(plain)
    assert "certificate client: has its private key in the file" in str(mistake)


def test_the_upstreams_certificate_is_shown_where_the_service_has_none(tmp_path: Path) -> None:
    authority = Authority()
    own, pools = authority.sign("own"), authority.sign("pools")
    rows = [{"id": name, "cert": one.cert_pem, "key": one.key_pem} for name, one in (("own", own), ("pools", pools))]
    services: list[Section] = [
        {"name": "bare", "url": "https://pool"},
        {"name": "dressed", "url": "https://pool", "client_certificate": "own"},
    ]
    upstreams = [{"name": "pool", "client_certificate": "pools"}]
    configuration = read(tmp_path, certificates=rows, upstreams=upstreams, services=services)
    bare, dressed, _ = clusters(plan_of(configuration))
    chains = [tls(one)["common_tls_context"]["tls_certificates"][0]["certificate_chain"] for one in (bare, dressed)]
    assert chains == [{"inline_string": pools.cert_pem}, {"inline_string": own.cert_pem}]


def test_targets_that_may_change_are_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "endpoints").mkdir()
    upstreams: list[Section] = [
        {"name": "numbers", "targets": [{"target": "10.0.0.1"}]},
        {"name": "names", "targets": [{"target": "a.b"}]},
    ]
    services: list[Section] = [{"name": name, "host": name} for name in ("numbers", "names", "c.d")]
    gateway = {"endpoints": "endpoints"}
    configuration = read(tmp_path, gateway=gateway, upstreams=upstreams, services=services)
    plan = plan_of(configuration, folder=tmp_path)
    kinds = [one.get("type") for one in clusters(plan)]
    assert kinds == ["EDS", None, None]
    [(name, assignment)] = watched_assignments(plan)
    assert assignment["cluster_name"] == "service_numbers"
    assert clusters(plan)[0]["eds_cluster_config"]["eds_config"]["path_config_source"] == {
        "path": str(tmp_path / name)
    }
    assert cluster(configuration)["type"] == "STATIC"


def objections(configuration: Configuration) -> list[str]:
    return [f"{one.where}: {one.what}" for one in unsupported(configuration)]


def checks(**fields: Any) -> Section:
    return {"active": {"healthy": {"interval": 1}, "unhealthy": {"tcp_failures": 1}, **fields}}


@pytest.mark.parametrize(
    ("service", "upstream", "words"),
    [
        ({}, {"hash_on": "uri_capture", "hash_on_uri_capture": "1"}, "upstream pool: hashes on uri_capture"),
        ({}, {"hash_on": "ip", "healthchecks": {"threshold": 1}}, "upstream pool: has a threshold"),
        (
            {"protocol": "https", "tls_verify": True},
            {},
            "service orders: checks certificates, and targets of pool are",
        ),
        ({}, {"healthchecks": checks(type="https")}, "service orders: has health checks over TLS"),
        (
            {},
            {"healthchecks": checks(type="grpc")},
            "service orders: speaks http, and the health checks of pool are gRPC",
        ),
    ],
)
def test_what_envoy_can_not_do_is_refused(pool: Read, service: Section, upstream: Section, words: str) -> None:
    (objection,) = objections(pool(service, **upstream))
    assert objection.startswith(words)


def test_without_any_authorities_nothing_can_be_checked(alone: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    (objection,) = objections(alone("https://a.b", tls_verify=True))
    assert "this machine has no file with authorities" in objection


@pytest.mark.parametrize(
    ("service", "upstream"),
    [
        ({"protocol": "https"}, {}),
        ({"protocol": "https", "tls_verify": True}, {"host_header": "x.y"}),
        ({}, {"healthchecks": checks(type="https", https_sni="x.y")}),
        ({}, {"healthchecks": checks(type="https", https_verify_certificate=False)}),
        ({"protocol": "grpc"}, {"healthchecks": checks(type="grpc")}),
        ({}, {"healthchecks": {"threshold": 1}}),
    ],
)
def test_what_envoy_can_do_is_not_refused(
    pool: Read, service: Section, upstream: Section, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "authorities.pem").touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authorities.pem"))
    assert objections(pool(service, **upstream)) == []


def test_a_plan_is_made_of_what_the_folder_says_now(pool: Read) -> None:
    configuration = pool()
    plan = Plan(configuration, {}, frozenset(), (), targets={"pool": (Target("10.9.9.9", 1),)})
    (one,) = endpoints(clusters(plan)[0])
    assert one["endpoint"]["address"]["socket_address"]["address"] == "10.9.9.9"
