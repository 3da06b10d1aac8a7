"""A kong.yml that was there before, through the command: told by `check`, and `--lenient` behind a real Envoy."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.outrider import Config, Outrider, outrider, plugin, service
from harness.upstream import Upstream

WRONG_INPUT = 1


def config(port: int) -> Config:
    """A guarded route inside a wider one that nothing guards."""
    routes: list[Config] = [
        {"name": "inside", "paths": ["/shop/orders"], "plugins": [plugin("jwt"), plugin("key-auth")]},
        {"name": "by-method", "paths": ["/shop"], "methods": ["DELETE"], "plugins": [plugin("hmac-auth")]},
        {"name": "wide", "paths": ["/shop"], "strip_path": False},
    ]
    return {
        "services": [service("shop", port, routes=routes)],
        "consumers": [{"username": "web", "hmacauth_credentials": [{"username": "web", "secret": "hunter2"}]}],
        "plugins": [plugin("prometheus"), plugin("correlation-id")],
    }


@pytest.fixture(scope="module")
def lenient(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outrider]:
    folder = tmp_path_factory.mktemp("lenient")
    with Outrider(folder, config(shared_upstream.port), "run", "--lenient") as gateway:
        yield gateway.ready()


@pytest.mark.parametrize(
    ("path", "method"),
    [("/shop/orders", "GET"), ("/shop/orders/1", "GET"), ("/shop", "DELETE"), ("/x/../shop//orders", "GET")],
)
def test_a_guarded_route_refuses_though_a_wider_one_would_take_its_requests(
    lenient: Outrider, upstream: Upstream, path: str, method: str
) -> None:
    answer = lenient.request(path, method=method)
    assert answer.status == 503
    assert json.loads(answer.body)["message"] == "The service is not available here"
    assert not upstream.requests


def test_a_route_that_nothing_guarded_goes_on(lenient: Outrider, upstream: Upstream) -> None:
    assert lenient.request("/shop/pages").status == 200
    assert upstream.request.path == "/shop/pages"


def test_all_that_is_left_out_is_told_before_the_start(lenient: Outrider) -> None:
    told = [line for line in lenient.log.splitlines() if ": left out, since " in line or ": answers 503, " in line]
    assert [line.split(": ")[1] for line in told] == [
        "services[shop].routes[inside].plugins[jwt].name",
        "services[shop].routes[by-method].plugins[hmac-auth].name",
        "plugins[prometheus].name",
        "consumers[web].hmacauth_credentials",
        "route inside",
        "route by-method",
    ]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "kong.yml"
    found.write_text(json.dumps({"_format_version": "3.0", **config(9001)}))
    return found


@pytest.mark.parametrize("command", [["run"], ["serve", "envoy"], ["render", "envoy"]], ids=" ".join)
def test_every_command_for_envoy_refuses_it_line_by_line(file: Path, command: list[str]) -> None:
    done = outrider(*command, file)
    assert (done.returncode, done.stdout) == (WRONG_INPUT, "")
    assert [": is Kong's own, and Envoy has no " in line for line in done.stderr.splitlines()].count(True) == 3
    assert "Traceback" not in done.stderr


def test_check_warns_of_it_and_render_kong_takes_it(file: Path) -> None:
    checked = outrider("check", file)
    assert checked.returncode == 0
    assert "plugins[prometheus].name: warning: is Kong's own, and Envoy has no prometheus" in checked.stderr
    rendered = outrider("render", "kong", file)
    assert (rendered.returncode, rendered.stderr) == (0, "")
    assert "- name: prometheus\n" in rendered.stdout


@pytest.mark.parametrize("command", [["run"], ["serve", "envoy"], ["render", "envoy"]], ids=" ".join)
def test_a_guard_for_one_consumer_is_refused_even_so(tmp_path: Path, command: list[str]) -> None:
    file = tmp_path / "kong.yml"
    consumer = {"username": "web", "plugins": [plugin("rate-limiting", minute=1)]}
    file.write_text(json.dumps({"_format_version": "3.0", **config(9001), "consumers": [consumer]}))
    done = outrider(*command, file, "--lenient")
    assert (done.returncode, done.stdout) == (WRONG_INPUT, "")
    [line] = done.stderr.splitlines()
    assert "rate-limiting is Kong's own, and without it its consumers could do more: write rate-limit" in line
