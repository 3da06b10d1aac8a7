"""Upstreams that die, hang, fail and return behind a real Envoy, as downstream sees them; how requests are spread."""

import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness import http1
from harness.forwarding import Forwarder, Targets, document, healthy, plan_of, read
from harness.process import until
from harness.upstream import Answer

BY_USER = {"hash_on": "header", "hash_on_header": "x-user"}
PASSIVE = {"passive": {"unhealthy": {"http_failures": 3, "http_statuses": [500, 429]}}}
ACTIVE = {
    "active": {
        "type": "tcp",
        "timeout": 1,
        "healthy": {"interval": 0.05},
        "unhealthy": {"interval": 0.05, "tcp_failures": 1},
    }
}


def nobody() -> int:
    """A port that refuses connections."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def dead() -> dict[str, Any]:
    return {"target": f"127.0.0.1:{nobody()}"}


def service(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "host": name, "port": 80, **fields}


@pytest.fixture(scope="module")
def targets(envoy_binary: Path) -> Iterator[Targets]:
    """New ones for each Envoy."""
    del envoy_binary
    found = Targets()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def forwarder(envoy_binary: Path, targets: Targets, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forwarder]:
    """Each test has an upstream of its own."""
    at = targets.at
    upstreams: list[dict[str, Any]] = [
        {"name": "weights", "targets": [*at("one", weight=50), *at("two", weight=100), *at("none", weight=0)]},
        {"name": "failover", "targets": [dead(), *at("a", "b")]},
        {"name": "least-failover", "algorithm": "least-connections", "targets": [dead(), *at("a", "b")]},
        {"name": "ring-failover", **BY_USER, "targets": [dead(), *at("a", "b")]},
        {"name": "all-dead", "targets": [dead(), dead()]},
        {"name": "dies", "targets": at("mortal", "heir")},
        {"name": "hangs", "targets": at("silent", "speaks")},
        {"name": "breaker", "healthchecks": PASSIVE, "targets": at("sick", "sound")},
        {"name": "breakers", "healthchecks": PASSIVE, "targets": at("ill")},
        {"name": "asked", "healthchecks": ACTIVE, "targets": at("asked1", "asked2")},
        {"name": "half", "healthchecks": {**ACTIVE, "threshold": 50}, "targets": [dead(), *at("a")]},
        {"name": "more-than-half", "healthchecks": {**ACTIVE, "threshold": 40}, "targets": [dead(), *at("a")]},
        {"name": "least", "algorithm": "least-connections", "targets": at("slow", "quick")},
        {"name": "ring", **BY_USER, "targets": at("r1", "r2", "r3")},
        {"name": "smaller", **BY_USER, "targets": at("r1", "r2")},
        {"name": "cookie", "hash_on": "cookie", "hash_on_cookie": "stick", "targets": at("r1", "r2", "r3")},
        {"name": "path", "hash_on": "path", "targets": at("r1", "r2", "r3")},
        {"name": "hosts", "targets": at("echoes")},
        {"name": "renamed", "host_header": "orders.example", "targets": at("echoes")},
    ]
    services = [
        *(service(upstream["name"]) for upstream in upstreams if upstream["name"] != "hangs"),
        service("hangs", read_timeout=200),
        {"name": "never-again", "host": "failover", "retries": 0},
        {"name": "hangs-once", "host": "hangs", "retries": 0, "read_timeout": 200},
        {"name": "kept", "host": "hosts", "route": {"preserve_host": True}},
    ]
    configuration = read(tmp_path_factory.mktemp("forwarding"), upstreams=upstreams, services=services)
    found = document(plan_of(configuration))
    for cluster in found["static_resources"]["clusters"]:
        if cluster["name"] == "service_breaker":
            cluster["outlier_detection"] |= {"base_ejection_time": "0.2s", "interval": "0.05s"}
    with Forwarder(envoy_binary, found) as forwarder:
        yield forwarder


def test_weights_are_shares_and_none_is_none(forwarder: Forwarder) -> None:
    found = Counter(forwarder.targets("weights", 300))
    assert set(found) == {"one", "two"}
    # Envoy begins anywhere in its turns.
    assert abs(found["one"] - 100) <= 3


@pytest.mark.parametrize("name", ["failover", "least-failover", "ring-failover"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_target_that_is_down_costs_nobody_an_answer(forwarder: Forwarder, name: str, method: str) -> None:
    answers = [forwarder.ask(name, ("x-user", str(index)), method=method) for index in range(20)]
    assert [answer.status for answer in answers] == [200] * 20


def test_without_retries_a_target_that_is_down_is_an_error(forwarder: Forwarder) -> None:
    assert Counter(forwarder.targets("never-again", 9))["503"] == 3


def test_with_all_targets_down_the_answer_is_503_at_once(forwarder: Forwarder) -> None:
    assert forwarder.targets("all-dead", 3) == ["503"] * 3


def test_a_target_that_dies_with_requests_in_flight_hands_them_to_another(
    forwarder: Forwarder, targets: Targets
) -> None:
    mortal = targets["mortal"]
    mortal.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(forwarder.ask, "dies") for _ in range(8)]
        until(lambda: len(mortal.requests) == 4)
        mortal.die()
        assert [answer.result().get("x-target") for answer in answers] == ["heir"] * 8
    mortal.gate.set()
    assert set(forwarder.targets("dies", 10)) == {"heir"}
    targets.revive("mortal")
    assert set(forwarder.targets("dies", 10)) == {"heir", "mortal"}


@pytest.mark.parametrize(("method", "repeated"), [("GET", True), ("PUT", True), ("POST", False), ("PATCH", False)])
def test_what_upstream_may_have_begun_with_is_repeated_only_if_it_is_idempotent(
    forwarder: Forwarder, targets: Targets, method: str, *, repeated: bool
) -> None:
    silent = targets["silent"]
    silent.gate.clear()
    answers = [forwarder.ask("hangs", method=method, body=b"{}") for _ in range(2)]
    silent.gate.set()
    assert sorted(answer.status for answer in answers) == ([200, 200] if repeated else [200, 504])
    assert all(not one.all("x-envoy-retry-on") for one in targets["speaks"].requests)


def test_without_retries_nothing_is_repeated_though_it_is_idempotent(forwarder: Forwarder, targets: Targets) -> None:
    silent = targets["silent"]
    silent.gate.clear()
    answers = [forwarder.ask("hangs-once").status for _ in range(2)]
    silent.gate.set()
    assert sorted(answers) == [200, 504]


def test_a_target_that_fails_is_left_and_tried_again_after_a_while(forwarder: Forwarder, targets: Targets) -> None:
    targets["sick"].answer = Answer(429)
    until(lambda: forwarder.targets("breaker", 4) == ["sound"] * 4)
    targets.well("sick")
    until(lambda: "sick" in forwarder.targets("breaker", 2))


def test_a_status_that_does_not_count_opens_no_breaker(forwarder: Forwarder, targets: Targets) -> None:
    targets["sick"].answer = Answer(503)
    assert Counter(forwarder.targets("breaker", 20)) == {"sound": 10, "503": 10}
    targets.well("sick")


def test_with_every_breaker_open_nothing_goes_upstream(forwarder: Forwarder, targets: Targets) -> None:
    targets["ill"].answer = Answer(500)
    assert forwarder.targets("breakers", 3) == ["500"] * 3
    # Envoy's threads hear of it from one another.
    until(lambda: forwarder.targets("breakers", 1) == ["503"])
    reached = len(targets["ill"].requests)
    assert forwarder.targets("breakers", 4) == ["503"] * 4
    assert len(targets["ill"].requests) == reached


def test_a_target_that_is_asked_goes_and_comes_as_it_answers(forwarder: Forwarder, targets: Targets) -> None:
    targets["asked1"].die()
    until(lambda: forwarder.stat("cluster.service_asked.membership_healthy") == 1)
    assert forwarder.targets("asked", 6) == ["asked2"] * 6
    targets.revive("asked1")
    until(lambda: set(forwarder.targets("asked", 4)) == {"asked1", "asked2"})


@pytest.mark.parametrize(("name", "status"), [("half", 503), ("more-than-half", 200)])
def test_below_the_threshold_all_are_refused(forwarder: Forwarder, name: str, status: int) -> None:
    assert [forwarder.ask(name).status for _ in range(3)] == [status] * 3


def test_a_busy_target_gets_fewer_requests(forwarder: Forwarder, targets: Targets) -> None:
    slow = targets["slow"]
    slow.gate.clear()
    with ThreadPoolExecutor(60) as pool:
        answers: list[Future[http1.Message]] = []
        for _ in range(60):
            busy = len(slow.requests)
            answers.append(pool.submit(forwarder.ask, "least"))
            until(lambda: len(slow.requests) > busy or answers[-1].done())  # noqa: B023 - called at once
        slow.gate.set()
        assert all(answer.result().status == 200 for answer in answers)
    # In turn it would be half of them.
    assert 0 < len(slow.requests) < 30


def test_one_client_stays_on_one_target_and_few_move_when_a_target_goes(forwarder: Forwarder) -> None:
    def found(name: str) -> dict[int, list[str | None]]:
        return {user: forwarder.targets(name, 2, ("x-user", str(user))) for user in range(60)}

    before, after = found("ring"), found("smaller")
    assert all(first == second for first, second in before.values())
    assert set(Counter(first for first, _ in before.values())) == {"r1", "r2", "r3"}
    stayed = [after[user] == targets for user, targets in before.items() if targets[0] != "r3"]
    assert stayed.count(False) <= 3


def test_a_client_without_the_cookie_is_given_one_that_keeps_it_on_its_target(forwarder: Forwarder) -> None:
    first = forwarder.ask("cookie")
    given = first.get("set-cookie") or ""
    assert "SameSite=Lax" in given
    assert "HttpOnly" in given
    cookie = given.partition(";")[0]
    assert cookie.startswith("stick=")
    assert set(forwarder.targets("cookie", 6, ("cookie", cookie))) == {first.get("x-target")}


def test_hashing_on_the_path_does_not_look_at_the_query(forwarder: Forwarder) -> None:
    def found(path: int) -> set[str | None]:
        return {forwarder.ask("path", path=f"/{path}?{query}").get("x-target") for query in "abc"}

    targets = [found(path) for path in range(12)]
    assert all(len(one) == 1 for one in targets)
    assert len(frozenset[str | None]().union(*targets)) > 1


def test_a_target_is_asked_for_its_own_host_unless_another_is_named(forwarder: Forwarder, targets: Targets) -> None:
    echoes = targets["echoes"]
    for name in ("hosts", "renamed", "kept"):
        assert healthy(forwarder.targets(name, 1))
    hosts = [request.get("host") for request in echoes.requests]
    assert hosts == [f"127.0.0.1:{echoes.port}", f"orders.example:{echoes.port}", "outrider.test"]
