"""A changed file is taken over while the gateway runs: no request fails, and none is answered by an old route."""

import http.client
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.outrider import Config, plugin, service
from harness.process import until
from harness.reloading import Callers, Changed, version
from harness.upstream import Answer, Upstream

RELOADS = int(os.environ.get("OUTRIDER_RELOADS", "3"))
"""How often the file changes under load; `make soak` has 50."""
Live = Callable[..., Changed]

KEYS: list[Config] = [{"username": "alice", "keyauth_credentials": [{"key": "alice-key"}]}]
KEY = ("x-api-key", "alice-key")


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    """One worker, unless a test says otherwise: two take twice as long at each change."""
    with ExitStack() as stack:

        def started(config: Config, *command: str, **gateway: object) -> Changed:
            config = {**config, "gateway": {"workers": 1, **gateway}}
            return stack.enter_context(Changed(tmp_path, config, *(command or ("run",)))).ready()

        yield started


def of(*services: Config, **rest: Any) -> Config:
    return {"services": list(services), **rest}


def test_routes_plugins_and_upstreams_are_those_of_the_changed_file(live: Live, upstream: Upstream) -> None:
    limit = plugin("rate-limit", limit=3, window=3600, by="ip")
    gateway = live(of(service("kept", upstream.port, limit), service("gone", upstream.port), consumers=KEYS))
    envoy, workers = gateway.envoy(), gateway.workers()
    assert [gateway.request(path).status for path in ("/kept", "/kept", "/gone", "/new")] == [200, 200, 200, 404]
    passed = gateway.metric("outrider_decisions_total", plugin="rate-limit", outcome="passed")
    with Upstream() as other:
        kept = service("kept", other.port, limit)
        gateway.change(of(kept, service("new", other.port, plugin("key-auth")), consumers=KEYS))
        assert [gateway.request(path).status for path in ("/gone", "/new")] == [404, 401]
        assert gateway.request("/new", KEY).status == 200
        # Two of the three were counted by the workers before.
        assert [gateway.request("/kept").status for _ in range(2)] == [200, 429]
        assert {request.path for request in other.requests} == {"/new", "/kept"}
    assert gateway.metric("outrider_decisions_total", plugin="rate-limit", outcome="passed") == passed + 1
    assert gateway.envoy() == envoy
    until(lambda: not set(workers) & set(gateway.workers()))
    assert gateway.metric("outrider_worker_restarts_total") == gateway.metric("outrider_envoy_restarts_total") == 0
    assert not [record for record in gateway.records if record["level"] != "info"]


def test_under_load_no_request_fails_and_none_is_answered_by_a_route_from_before(
    live: Live, upstream: Upstream
) -> None:
    def numbered(number: int) -> Config:
        # Another listener, a cluster of another name or another content, and other needs in turn, too.
        hooks = [plugin("correlation-id")] * (number % 2)
        name, times = f"all-{number % 4 // 2}", {"connect_timeout": 5000 + number}
        marked = service(name, upstream.port, version(number), *hooks, routes=[{"paths": ["/all"]}], **times)
        return of(marked, gateway={"queue_budget": 20_000 + number % 3})

    gateway = live(numbered(0), workers=2)
    with Callers(gateway, "/all", threads=4) as callers:
        for number in range(1, RELOADS + 1):
            callers.more()
            gateway.change(numbered(number))
            callers.acknowledged = number
        callers.more()
        gateway.signal(signal.SIGHUP)  # the same file by other workers
        callers.more()
    assert not callers.faults
    assert {status for _, status, _ in callers.answers} == {200}
    assert not callers.stale
    assert {answered for _, _, answered in callers.answers} == set(range(RELOADS + 1))


def test_a_wrong_file_changes_nothing_and_is_told_once(live: Live, upstream: Upstream) -> None:
    gateway = live(of(service("a", upstream.port)))
    workers = gateway.workers()
    told = gateway.refuse(of(service("b", upstream.port, plugin("rate-limit", limit=-1), plugin("key-oath"))))
    assert "outrider.yaml:" in told
    assert told.count("no plugin is called") == told.count("limit: ") == 1
    assert [gateway.request(path).status for path in ("/a", "/b")] == [200, 404]
    assert gateway.workers() == workers
    gateway.change(of(service("b", upstream.port)))
    assert [gateway.request(path).status for path in ("/a", "/b")] == [404, 200]
    assert gateway.told("no plugin is called") == 1


def test_what_a_running_gateway_keeps_is_told_with_its_line(live: Live, upstream: Upstream) -> None:
    config = of(service("a", upstream.port))
    gateway = live(config)
    told = gateway.refuse({**config, "gateway": {"workers": 3, "protocol": "ext_authz"}})
    lines = gateway.file.read_text().splitlines()
    for name, running in (("workers", "1"), ("protocol", '\\"ext_proc\\"')):
        [line] = [number for number, text in enumerate(lines, 1) if text.strip().startswith(f"{name}:")]
        assert (
            f"{gateway.file}:{line}: gateway.{name}: can't change while the gateway runs, where it is {running}"
            in told
        )


def test_sighup_waits_until_nobody_writes_to_the_file(live: Live, upstream: Upstream) -> None:
    gateway = live(of(service("a", upstream.port, plugin("key-auth")), consumers=KEYS))
    whole = gateway.file.read_text()
    # What an editor has written of it so far would be a file without the plugin.
    half = whole.partition("  plugins:")[0]
    before = gateway.told("is taken over")
    for _ in range(20):
        gateway.file.write_text(half)
        os.kill(gateway.process.pid, signal.SIGHUP)
        assert gateway.request("/a").status == 401
        gateway.file.write_text(whole)
    until(lambda: gateway.told("is taken over") > before)
    assert gateway.request("/a").status == 401
    assert not gateway.told("no plugin runs any more")


def test_a_file_that_changes_while_the_gateway_starts_is_taken_over(tmp_path: Path, upstream: Upstream) -> None:
    with Changed(tmp_path, {**of(service("a", upstream.port)), "gateway": {"workers": 1}}) as gateway:
        until(gateway.workers)
        gateway.write(of(service("b", upstream.port)))
        gateway.ready()
        until(lambda: gateway.request("/b").status == 200)


def test_a_route_that_loses_all_its_plugins_is_told(live: Live, upstream: Upstream) -> None:
    gateway = live(of(service("a", upstream.port, plugin("key-auth")), consumers=KEYS))
    gateway.change(of(service("a", upstream.port), consumers=KEYS))
    assert gateway.told("no plugin runs any more on a, which had some") == 1
    assert gateway.request("/a").status == 200


def test_a_request_in_flight_ends_as_it_began(live: Live, upstream: Upstream) -> None:
    gateway = live(of(service("a", upstream.port, version(1))))
    upstream.gate.clear()
    found: list[tuple[int, str | None]] = []

    def ask() -> None:
        answer = gateway.request("/a")
        found.append((answer.status, answer.get("x-version")))

    asked = threading.Thread(target=ask)
    asked.start()
    until(lambda: upstream.requests)
    with Upstream() as other:
        gateway.change(of(service("b", other.port, version(2))))
        assert gateway.request("/b").get("x-version") == "2"
        assert gateway.request("/a").status == 404
        upstream.gate.set()
        asked.join()
    assert found == [(200, "1")]


def test_a_new_identity_header_is_taken_off_connections_from_before(live: Live, upstream: Upstream) -> None:
    gateway = live(of(service("a", upstream.port)))
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=15)

    def asked() -> str | None:
        connection.request("GET", "/a", headers={"x-user-email": "eve@example"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        return upstream.requests[-1].get("x-user-email")

    assert asked() == "eve@example"
    issuer = {"issuer": "https://issuer.example", "jwks": str(Path("examples/plugins/jwks.json").resolve())}
    claims = plugin("jwt-auth", issuers=[issuer], claims_to_headers={"email": "x-user-email"})
    gateway.change(of(service("a", upstream.port), service("b", upstream.port, claims)))
    assert asked() is None
    assert asked() is None
    connection.close()


def test_targets_are_those_of_a_file_that_others_write(live: Live, upstream: Upstream, tmp_path: Path) -> None:
    folder = tmp_path / "endpoints"
    folder.mkdir()
    pool: Config = {"name": "pool", "targets": []}
    config = of({**service("a", upstream.port), "url": "http://pool"}, upstreams=[pool])
    with Upstream() as one, Upstream() as other:
        (folder / "pool.yaml").write_text(f"targets: [{{target: '127.0.0.1:{one.port}'}}]")
        gateway = live(config, endpoints=str(folder))
        workers = gateway.workers()
        assert gateway.request("/a").status == 200
        new = folder / ".new"
        new.write_text(f"targets: [{{target: '127.0.0.1:{other.port}'}}]")
        new.replace(folder / "pool.yaml")
        until(lambda: gateway.told("the changed targets are taken over"))
        until(lambda: gateway.request("/a").status == 200 and other.requests)
        assert len(one.requests) == 1
        (folder / "pool.yaml").write_text("targets: [{target: 'no one'}]")
        until(lambda: gateway.told("the changed targets are not taken over"))
        assert gateway.request("/a").status == 200
        # A wrong configuration is no reason to go on with targets that are gone.
        gateway.refuse({**config, "plugins": [plugin("key-oath")]})
        (folder / "pool.yaml").write_text(f"targets: [{{target: '127.0.0.1:{one.port}'}}]")
        until(lambda: gateway.told("the changed targets are taken over") == 2)
        until(lambda: gateway.request("/a").status == 200 and len(one.requests) > 1)
    assert gateway.workers() == workers
    assert gateway.told("pool.yaml:1:") == 1


def test_an_envoy_that_is_killed_comes_back_with_the_changed_file(live: Live, upstream: Upstream) -> None:
    gateway = live(of(service("a", upstream.port)))
    gateway.change(of(service("b", upstream.port)))
    os.kill(gateway.envoy(), signal.SIGKILL)
    until(lambda: gateway.metric("outrider_envoy_restarts_total") == 1)
    until(gateway.is_ready)
    assert [gateway.request(path).status for path in ("/a", "/b")] == [404, 200]


def test_sighup_reads_the_secrets_again(live: Live, upstream: Upstream, tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("first-key-of-alice")
    consumer = {"username": "alice", "keyauth_credentials": [{"key": f"{{vault://file/{secret}}}"}]}
    gateway = live(of(service("a", upstream.port, plugin("key-auth")), consumers=[consumer]))
    assert gateway.request("/a", ("x-api-key", "first-key-of-alice")).status == 200
    secret.write_text("second-key-of-alice")
    gateway.signal(signal.SIGHUP)
    assert gateway.request("/a", ("x-api-key", "first-key-of-alice")).status == 401
    assert gateway.request("/a", ("x-api-key", "second-key-of-alice")).status == 200


def test_behind_ext_authz_the_changed_plugins_decide(live: Live, upstream: Upstream) -> None:
    config = of(service("a", upstream.port, plugin("key-auth")), consumers=KEYS)
    gateway = live(config, protocol="ext_authz")
    workers = gateway.workers()
    assert [gateway.request("/a", *headers).status for headers in ((), (KEY,))] == [401, 200]
    changed = [{"username": "alice", "keyauth_credentials": [{"key": "other-key-of-alice"}]}]
    gateway.change({**config, "consumers": changed})
    until(lambda: not set(workers) & set(gateway.workers()))
    assert gateway.request("/a", KEY).status == 401
    assert gateway.request("/a", ("x-api-key", "other-key-of-alice")).status == 200


def test_a_plugin_that_reads_bodies_does_so_at_once(live: Live, upstream: Upstream) -> None:
    gateway = live(of(service("a", upstream.port)))
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=15)

    def posted(size: int) -> int:
        connection.request("POST", "/a", body=b"x" * size)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    assert posted(2000) == 200
    gateway.change(of(service("a", upstream.port, plugin("request-size-limit", limit=1000))))
    assert posted(2000) == 413
    assert upstream.requests[-1].body == b"x" * 2000
    assert len(upstream.requests) == 1
    connection.close()
    upstream.answer = Answer()
