"""Both versions of Envoy take a whole bootstrap with every form of service, upstream, check and log."""

import json
import subprocess
from pathlib import Path

from harness.authority import Authority
from harness.rendering import rendered
from outrider.config import load

FILE = """
_format_version: "3.0"
gateway: {{log: {{access: stdout}}}}
upstreams:
  - name: pool
    algorithm: least-connections
    healthchecks:
      threshold: 50
      active:
        healthy: {{interval: 1, successes: 2}}
        unhealthy: {{interval: 0.2, http_failures: 3, timeouts: 2}}
        headers: {{x-a: [b]}}
      passive: {{unhealthy: {{http_failures: 3, tcp_failures: 2}}}}
    targets: [{{target: "127.0.0.1:9001"}}, {{target: 10.0.0.2, weight: 3}}, {{target: "[::1]:99", weight: 0}}]
  - name: cookie
    hash_on: cookie
    hash_on_cookie: sid
    host_header: orders.example
    healthchecks: {{active: {{type: https, healthy: {{interval: 1}}, unhealthy: {{http_failures: 3}}}}}}
    targets: [{{target: "a.example:9001"}}, {{target: "10.0.0.2:1"}}]
  - name: consumer
    hash_on: consumer
    hash_fallback: ip
    healthchecks: {{active: {{type: tcp, healthy: {{interval: 1}}, unhealthy: {{tcp_failures: 1}}}}}}
  - name: path
    hash_on: path
    hash_fallback: query_arg
    hash_fallback_query_arg: a
    targets: [{{target: a.example}}]
  - name: calls
    targets: [{{target: a.example}}]
    healthchecks: {{active: {{type: grpc, healthy: {{interval: 1}}, unhealthy: {{tcp_failures: 1}}}}}}
ca_certificates: [{{id: trusted, cert: {ca}}}]
certificates: [{{id: client, cert: {cert}, key: "{{vault://file/client.key}}"}}]
services:
  - {{host: pool, routes: [{{paths: [/a]}}]}}
  - {{protocol: https, host: cookie, tls_verify: true, ca_certificates: [trusted], routes: [{{paths: [/b]}}]}}
  - {{protocol: https, host: consumer, retries: 0, routes: [{{paths: [/c], preserve_host: true}}]}}
  - {{url: "https://api.example:8443/x", client_certificate: client, routes: [{{paths: [/d]}}]}}
  - {{url: "https://127.0.0.1:8443", tls_verify: true, ca_certificates: [trusted], routes: [{{paths: [/e]}}]}}
  - url: grpcs://calls
    tls_verify: true
    tls_verify_depth: 2
    ca_certificates: [trusted]
    routes: [{{paths: [/f]}}]
  - {{url: "grpc://calls", name: calls, routes: [{{paths: [/g]}}]}}
  - {{url: "https://path", routes: [{{paths: [/h]}}]}}
  - {{url: "http://path", routes: [{{paths: [/i]}}]}}
"""


def test_every_form_is_accepted(envoy_binary: Path, tmp_path: Path) -> None:
    authority = Authority()
    client = authority.sign("client")
    (tmp_path / "client.key").write_text(client.key_pem)
    path = tmp_path / "outrider.yaml"
    path.write_text(FILE.format(ca=json.dumps(authority.cert_pem), cert=json.dumps(client.cert_pem)))
    accept(envoy_binary, path, tmp_path / "bootstrap.json")


def test_the_example_is_accepted(envoy_binary: Path, tmp_path: Path) -> None:
    accept(envoy_binary, Path(__file__).parents[2] / "examples" / "upstreams.yaml", tmp_path / "bootstrap.json")


def accept(binary: Path, file: Path, bootstrap: Path) -> None:
    """Fails with Envoy's own words; a field that will be gone in a later Envoy is a warning."""
    bootstrap.write_text(json.dumps(rendered(load(file, {}))))
    command = [str(binary), "--config-path", str(bootstrap), "--mode", "validate", "--disable-hot-restart"]
    done = subprocess.run([*command, "--log-level", "warning"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "eprecated" not in done.stderr
