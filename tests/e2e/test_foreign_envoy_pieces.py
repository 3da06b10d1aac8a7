"""`outrider render envoy --filters`: its pieces, pasted into an Envoy of somebody else's, make it ask the workers."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from harness import http1
from harness.bootstrap import bootstrap, cluster, listener, route
from harness.outrider import Config, Outrider, outrider, plugin, service
from harness.process import Envoy, bundled_envoy
from harness.sample import CONSUMERS, PLUGINS, Protocol
from harness.upstream import Answer, Upstream

ALICE = ("x-api-key", "alice-key")


@dataclass
class Foreign:
    """An Envoy that somebody else configured, and the pieces that were pasted into it."""

    port: int
    protocol: Protocol
    printed: str
    pieces: dict[str, Any]


@pytest.fixture(scope="module", params=["ext_proc", "ext_authz"])
def running(
    request: pytest.FixtureRequest, shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Foreign]:
    protocol: Protocol = request.param
    folder = tmp_path_factory.mktemp("pieces")
    config = _config(protocol, shared_upstream.port)
    # Not tmp_path: a unix socket's path must be short.
    with TemporaryDirectory(prefix="outrider-") as sockets:
        listen = ("--listen", f"unix:{sockets}")
        with Outrider(folder, config, "serve", "envoy", *listen) as workers:
            rendered = outrider("render", "envoy", "--filters", workers.ready().file, *listen)
            assert (rendered.returncode, rendered.stderr) == (0, "")
            pieces = yaml.safe_load(rendered.stdout)
            with Envoy(bundled_envoy(), _pasted(pieces, shared_upstream.port)).ready() as envoy:
                yield Foreign(envoy.port(), protocol, rendered.stdout, pieces)


@pytest.fixture
def foreign(running: Foreign, upstream: Upstream) -> Foreign:
    del upstream
    return running


def _config(protocol: Protocol, port: int) -> Config:
    services = [
        service("orders", port, plugin("key-auth"), plugin("correlation-id", header="x-trace-id")),
        service("signed", port, plugin("request-body")),
        service("free", port),
    ]
    if protocol == "ext_proc":
        services.append(service("replies", port, plugin("response-script"), plugin("request-body")))
    gateway = {"plugin_dirs": [PLUGINS], "protocol": protocol}
    return {"gateway": gateway, "services": services, "consumers": CONSUMERS}


def _pasted(pieces: Config, upstream: int) -> Config:
    """What a person would do: each piece where the comment above it says."""
    mine = {"orders": "/shop", "signed": "/signed", "replies": "/replies"}
    routes = [
        route(prefix, typed_per_filter_config=pieces["routes"][name])
        for name, prefix in mine.items()
        if name in pieces["routes"]
    ]
    static = route("/static", typed_per_filter_config=pieces["other_routes"])
    limit = pieces.get("buffer_limit", {})
    main = listener(pieces["http_filters"], [*routes, static], manager=pieces["http_connection_manager"], **limit)
    return bootstrap([main], [cluster("upstream", upstream, **limit), *pieces["clusters"]])


def test_every_piece_says_where_it_goes(foreign: Foreign) -> None:
    for name in foreign.pieces:
        above = foreign.printed.partition(f"\n{name}:")[0].rpartition("\n\n")[2]
        assert above.startswith(("# Into", "# By the name", "# A second")), name
    assert "alice-key" not in foreign.printed


def test_a_route_that_is_named_otherwise_has_its_plugins(foreign: Foreign, upstream: Upstream) -> None:
    for path in ("/shop", "//shop", "/static/../shop", "/%73hop"):
        assert http1.request(foreign.port, path).status == 401
    assert not upstream.requests
    assert http1.request(foreign.port, "/shop", ALICE).status == 200
    assert upstream.request.get("x-consumer-username") == "alice"


def test_reply_headers_are_on_whatever_answers(foreign: Foreign, upstream: Upstream) -> None:
    refused = http1.request(foreign.port, "/shop")
    assert (refused.status, bool(refused.get("x-trace-id"))) == (401, True)
    upstream.answer = Answer(headers=[("x-trace-id", "upstream's own")])
    passed = http1.request(foreign.port, "/shop", ALICE)
    assert passed.get("x-trace-id") == upstream.request.get("x-trace-id") != "upstream's own"


def test_a_body_is_read_whole(foreign: Foreign, upstream: Upstream) -> None:
    assert http1.request(foreign.port, "/signed", body=b"x" * 2_000_000).status == 200
    assert upstream.request.get("x-read") == "2000000"


def test_a_route_without_plugins_passes_and_nobody_can_say_who_calls(foreign: Foreign, upstream: Upstream) -> None:
    assert http1.request(foreign.port, "/static/a", ("x-consumer-username", "root")).status == 200
    assert upstream.request.get("x-consumer-username") is None
    assert http1.request(foreign.port, "/static", ("x_consumer_username", "root")).status == 400


def test_response_hooks_run(foreign: Foreign, upstream: Upstream) -> None:
    if foreign.protocol == "ext_authz":
        assert "replies" not in foreign.pieces["routes"]
        return
    answer = http1.request(foreign.port, "/replies", ("x-response-script", "set x-a ours"), body=b"abc")
    assert (answer.status, answer.get("x-a")) == (200, "ours")
    assert len(upstream.requests) == 1


def test_the_comment_of_trusted_proxies_comes_with_their_piece(tmp_path: Path) -> None:
    file = tmp_path / "outrider.yaml"
    file.write_text('_format_version: "3.0"\ngateway: {trusted_ips: [10.0.0.0/8]}\n')
    pieces = yaml.safe_load(outrider("render", "envoy", "--filters", file).stdout)
    proxies = pieces["behind_trusted_proxies"]
    assert proxies["filter_chain_match"]["direct_source_prefix_ranges"][0]["address_prefix"] == "10.0.0.0"
    assert proxies["http_connection_manager"]["use_remote_address"] is False
    assert pieces["http_connection_manager"]["use_remote_address"] is True
