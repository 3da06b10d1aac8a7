"""Workers on another machine: nobody asks them without a certificate, and Envoy asks nobody else."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
import yaml

from harness import http1
from harness.authority import Authority, Signed
from harness.outrider import Outrider, free_port, outrider, plugin, service
from harness.process import Envoy, bundled_envoy, until
from harness.tls_client import TlsClient
from harness.upstream import Upstream

HEALTH = "/grpc.health.v1.Health/Check"
EXPIRED = timedelta(minutes=-1)


@dataclass
class Remote:
    workers: Outrider
    envoy: Envoy
    port: int
    """Envoy's."""
    worker: int
    """The port of the only worker."""
    authority: Authority
    folder: Path
    envoys: Signed

    def ask(self, shown: Signed | None) -> None:
        """A call to the worker; raises `RpcError` if none gets through."""
        pair = (shown.key_pem.encode(), shown.cert_pem.encode()) if shown else (None, None)
        credentials = grpc.ssl_channel_credentials(self.authority.cert_pem.encode(), *pair)
        with grpc.secure_channel(f"127.0.0.1:{self.worker}", credentials) as channel:
            channel.unary_unary(HEALTH, bytes, bytes)(b"", timeout=15)


def write(folder: Path, name: str, signed: Signed) -> list[str]:
    """The files of a certificate and its key, replaced in one step each."""
    files = [(folder / f"{name}.crt", signed.cert_pem), (folder / f"{name}.key", signed.key_pem)]
    for path, text in files:
        part = path.with_suffix(".part")
        part.write_text(text)
        part.rename(path)
    return [str(path) for path, _ in files]


@pytest.fixture(scope="module")
def remote(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    folder, authority = tmp_path_factory.mktemp("remote"), Authority()
    envoys = authority.sign("envoy")
    (folder / "ca.crt").write_text(authority.cert_pem)
    workers_cert, workers_key = write(folder, "workers", authority.sign("127.0.0.1"))
    envoy_cert, envoy_key = write(folder, "envoy", envoys)
    worker, port = free_port(), free_port()
    config = {
        "gateway": {"workers": 1, "listen": f"127.0.0.1:{port}"},
        "services": [service("a", shared_upstream.port, plugin("key-auth"))],
        "consumers": [{"username": "alice", "keyauth_credentials": [{"key": "alice-key"}]}],
    }
    place = ("--listen", f"127.0.0.1:{worker}", "--tls-cert")
    ours = (*place, workers_cert, "--tls-key", workers_key, "--tls-client-ca", str(folder / "ca.crt"))
    with ExitStack() as stack:
        command = ("serve", "envoy", *ours, "--transport", "grpcio")
        workers = stack.enter_context(Outrider(folder, config, *command)).ready()
        theirs = (*place, envoy_cert, "--tls-key", envoy_key, "--tls-ca", str(folder / "ca.crt"))
        rendered = outrider("render", "envoy", *theirs, workers.file)
        assert not rendered.stderr
        envoy = stack.enter_context(Envoy(bundled_envoy(), yaml.safe_load(rendered.stdout))).ready()
        yield Remote(workers, envoy, port, worker, authority, folder, envoys)


def test_an_envoy_with_a_certificate_is_answered(remote: Remote, upstream: Upstream) -> None:
    until(lambda: http1.request(remote.port, "/a").status == 401)
    assert http1.request(remote.port, "/a", ("x-api-key", "alice-key")).status == 200
    assert ("x-consumer-username", "alice") in upstream.request.headers


def test_nobody_else_gets_a_call_through(remote: Remote) -> None:
    for shown in (None, Authority("Stranger").sign("envoy"), remote.authority.sign("envoy", end=EXPIRED)):
        with pytest.raises(grpc.RpcError) as caught:
            remote.ask(shown)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    remote.ask(remote.envoys)


def test_certificates_that_were_renewed_are_shown_without_a_restart(remote: Remote) -> None:
    renewed = remote.authority.sign("127.0.0.1")
    client = TlsClient(remote.folder, remote.authority)
    write(remote.folder, "workers", renewed)

    def shown() -> int:
        return client.server(remote.worker, "127.0.0.1", remote.envoys, alpn="h2").serial_number

    assert shown() == renewed.certificate.serial_number
    (remote.folder / "workers.key").write_text("half a ke")
    assert shown() == renewed.certificate.serial_number
    write(remote.folder, "workers", renewed)
    assert http1.request(remote.port, "/a").status == 401
