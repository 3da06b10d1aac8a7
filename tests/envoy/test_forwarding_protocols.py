"""TLS to upstream, gRPC and WebSockets, names that change, and endpoint files, through a real Envoy."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from harness.authority import Authority, Signed
from harness.bootstrap import typed
from harness.dns_server import DnsServer
from harness.forwarding import Forwarder, Targets, document, plan_of, read
from harness.peer import Peer, client
from harness.process import until
from harness.upstream import Answer, Upstream
from outrider.config.endpoint_files import current_targets
from outrider_envoy.render import Plan
from outrider_envoy.render.endpoints import watched_assignments


@dataclass
class World:
    """What stands around the Envoy."""

    forwarder: Forwarder
    targets: Targets
    dns: DnsServer
    plan: Plan
    folder: Path
    peer: Peer
    upstreams: dict[str, Upstream] = field(default_factory=dict[str, Upstream])
    names: list[str] = field(default_factory=list[str])
    """The server names that upstream was asked for."""


class Echo(grpc.GenericRpcHandler):
    """Answers every call with its own bytes, and with a trailer."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            context.set_trailing_metadata((("x-trailer", handler_call_details.method),))
            return request

        return grpc.unary_unary_rpc_method_handler(answer)


def certificates(trusted: Authority, stranger: Authority, client: Signed) -> dict[str, Any]:
    return {
        "ca_certificates": [
            {"id": "trusted", "cert": trusted.cert_pem},
            {"id": "stranger", "cert": stranger.cert_pem},
        ],
        "certificates": [{"id": "client", "cert": client.cert_pem, "key": "{vault://file/client.key}"}],
    }


@pytest.fixture(scope="module")
def world(envoy_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("protocols")
    with ExitStack() as stack:
        trusted, stranger, targets = Authority(), Authority("Stranger"), Targets()
        stack.callback(targets.stop)
        names: list[str] = []
        upstreams = {
            name: stack.enter_context(Upstream(tls=_heard(trusted.sign(*hosts).server(folder, clients), names)))
            for name, hosts, clients in (
                ("named", ["secure.test", "127.0.0.1"], None),
                ("asking", ["secure.test"], trusted),
            )
        }
        for upstream in upstreams.values():
            upstream.answer = Answer()
        shown = trusted.sign("client")
        (folder / "client.key").write_text(shown.key_pem)
        (folder / "endpoints").mkdir()
        calls, secure_calls = _grpc(stack, None), _grpc(stack, trusted.sign("secure.test"))
        dns, peer = stack.enter_context(DnsServer()), stack.enter_context(Peer())
        at, asking = upstreams["named"].port, upstreams["asking"].port
        dns.addresses["secure.test"] = dns.addresses["moves.test"] = ["127.0.0.1"]
        elsewhere = stack.enter_context(Upstream("127.0.0.2", targets["here"].port))
        elsewhere.answer = Answer(headers=[("x-target", "there")])
        verify = {"tls_verify": True, "ca_certificates": ["trusted"]}
        configuration = read(
            folder,
            gateway={"endpoints": "endpoints"},
            **certificates(trusted, stranger, shown),
            upstreams=[
                {"name": "pool", "targets": [{"target": f"secure.test:{at}"}]},
                {"name": "numbers", "host_header": "secure.test", "targets": [{"target": f"127.0.0.1:{at}"}]},
                {"name": "told", "targets": targets.at("first")},
            ],
            services=[
                {"name": "blind", "url": f"https://127.0.0.1:{at}"},
                {"name": "named", "url": f"https://secure.test:{at}", **verify},
                {"name": "addressed", "url": f"https://127.0.0.1:{at}", **verify},
                {"name": "pooled", "url": "https://pool", **verify},
                {"name": "numbered", "url": "https://numbers", **verify},
                {"name": "kept", "url": f"https://127.0.0.1:{at}", **verify, "route": {"preserve_host": True}},
                {"name": "wrong-name", "url": f"https://other.test:{at}", **verify},
                {"name": "wrong-ca", "url": f"https://secure.test:{at}", **verify, "ca_certificates": ["stranger"]},
                {"name": "unshown", "url": f"https://secure.test:{asking}", **verify},
                {"name": "shown", "url": f"https://secure.test:{asking}", **verify, "client_certificate": "client"},
                {"name": "calls", "url": f"grpc://127.0.0.1:{calls}"},
                {"name": "secure-calls", "url": f"grpcs://secure.test:{secure_calls}", **verify},
                {"name": "moves", "url": f"http://moves.test:{targets['here'].port}"},
                {"name": "told", "url": "http://told"},
                {"name": "socket", "url": f"http://127.0.0.1:{peer.port}"},
            ],
        )
        dns.addresses["other.test"] = ["127.0.0.1"]
        plan = plan_of(configuration, folder=folder)
        write(plan)
        found = document(plan) | {"typed_dns_resolver_config": dns.resolver()}
        # File discovery wants to know who asks.
        found["node"] = {"id": "outrider", "cluster": "outrider"}
        forwarder = stack.enter_context(Forwarder(envoy_binary, found))
        yield World(forwarder, targets, dns, plan, folder, peer, upstreams, names)


def write(plan: Plan) -> None:
    for name, assignment in watched_assignments(plan):
        resource = typed("type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment", **assignment)
        part = (plan.folder or Path()) / "part"
        part.write_text(json.dumps({"resources": [resource]}))
        part.rename((plan.folder or Path()) / name)


def _heard(context: ssl.SSLContext, names: list[str]) -> ssl.SSLContext:
    def hear(_: ssl.SSLObject, name: str, __: ssl.SSLContext) -> None:
        names.append(name)

    context.sni_callback = hear
    return context


def _grpc(stack: ExitStack, shown: Signed | None) -> int:
    server = grpc.server(ThreadPoolExecutor(2), handlers=[Echo()])
    if shown is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        credentials = grpc.ssl_server_credentials([(shown.key_pem.encode(), shown.cert_pem.encode())])
        port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    stack.callback(lambda: server.stop(None).wait())
    return port


@pytest.mark.parametrize(
    ("service", "name"),
    [
        ("blind", None),
        ("named", "secure.test"),
        ("addressed", None),
        ("pooled", "secure.test"),
        ("numbered", "secure.test"),
    ],
)
def test_an_upstream_is_asked_for_its_name_and_believed(world: World, service: str, name: str | None) -> None:
    world.names.clear()
    assert world.forwarder.ask(service).status == 200
    assert world.names == [name]


def test_where_the_host_is_kept_it_is_the_name_that_upstream_must_have(world: World) -> None:
    world.names.clear()
    assert world.forwarder.ask("kept", host="secure.test").status == 200
    assert world.forwarder.ask("kept", host="other.test:1").status == 503
    assert {"secure.test", "other.test"} <= set(world.names)


@pytest.mark.parametrize("service", ["wrong-name", "wrong-ca", "unshown"])
def test_nothing_reaches_an_upstream_that_is_not_believed_or_does_not_believe(world: World, service: str) -> None:
    before = sum(len(upstream.requests) for upstream in world.upstreams.values())
    answer = world.forwarder.ask(service)
    assert answer.status == 503
    assert sum(len(upstream.requests) for upstream in world.upstreams.values()) == before


def test_a_client_certificate_is_shown(world: World) -> None:
    assert world.forwarder.ask("shown").status == 200


@pytest.mark.parametrize("service", ["calls", "secure-calls"])
def test_a_call_arrives_over_http_2_and_its_trailers_come_back(world: World, service: str) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{world.forwarder.port}") as channel:
        method = f"/{service}/Get"
        answer, call = channel.unary_unary(method, bytes, bytes).with_call(b"hello", timeout=15)
        assert answer == b"hello"
        assert ("x-trailer", method) in call.trailing_metadata()


def test_a_websocket_passes(world: World) -> None:
    downstream = client(world.forwarder.port)
    downstream.send(b"GET /socket HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
    upstream = world.peer.accept()
    upstream.send(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
    assert downstream.until(b"\r\n\r\n").startswith(b"HTTP/1.1 101")
    downstream.send(b"ping\n")
    assert upstream.until(b"\n") == b"ping\n"
    upstream.send(b"pong\n")
    assert downstream.until(b"\n") == b"pong\n"
    downstream.close()


def test_a_name_that_moves_takes_the_requests_with_it(world: World) -> None:
    assert world.forwarder.targets("moves", 2) == ["here"] * 2
    world.dns.addresses["moves.test"] = ["127.0.0.2"]
    until(lambda: world.forwarder.targets("moves", 2) == ["there"] * 2)


def test_targets_that_a_file_tells_take_over_and_go_with_it(world: World) -> None:
    told = world.folder / "endpoints" / "told.yaml"
    assert world.forwarder.targets("told", 2) == ["first"] * 2
    told.write_text(f"targets: [{{target: '127.0.0.1:{world.targets['second'].port}'}}]")
    write(replace(world.plan, targets=current_targets(world.plan.configuration)))
    until(lambda: world.forwarder.targets("told", 2) == ["second"] * 2)
    told.unlink()
    write(replace(world.plan, targets=current_targets(world.plan.configuration)))
    until(lambda: world.forwarder.targets("told", 2) == ["first"] * 2)
