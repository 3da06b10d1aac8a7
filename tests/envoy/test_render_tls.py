"""The listener with TLS, how the certificate of a client comes to the workers, and TLS to workers elsewhere."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from harness.authority import Authority, Signed
from harness.rendering import Section, per_route, planned, the_filter
from outrider.config import Configuration, load
from outrider_envoy.capabilities import printed_keys, unasked, unsupported
from outrider_envoy.render import bootstrap
from outrider_envoy.render.clusters import workers
from outrider_envoy.render.live import watched
from outrider_envoy.render.plan import WorkerTls
from outrider_plugins.mtls_auth import MtlsAuth

AUTHORITY = Authority()
ONE = AUTHORITY.sign("one.example")
PEER = {"key": "outrider-peer", "value": "%DOWNSTREAM_PEER_CERT%"}
Read = Callable[..., Configuration]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def written(*names: str, signed: Signed = ONE, tls: Section | None = None, **gateway: Any) -> Configuration:
        (tmp_path / "one.key").write_text(signed.key_pem)
        asks = {"client_certificates": "optional", "client_authorities": ["ca"]} if tls is None else tls
        snis = [{"name": name} for name in names or ("one.example",)]
        key = "{vault://file/one.key}"
        asked = {"name": "mtls-auth", "config": {"ca_certificates": ["ca"]}}
        url, plugins = "http://127.0.0.1:9001", {"who": [asked], "any": []}
        services = [
            {"name": name, "url": url, "routes": [{"name": name, "paths": [f"/{name}"]}], "plugins": plugins[name]}
            for name in plugins
        ]
        file = {
            "_format_version": "3.0",
            "gateway": {"tls": asks, **gateway},
            "ca_certificates": [{"id": "ca", "cert": AUTHORITY.cert_pem}],
            "certificates": [{"id": "one", "cert": signed.cert_pem, "key": key, "snis": snis}],
            "services": services,
        }
        path = tmp_path / "outrider.yaml"
        path.write_text(yaml.safe_dump(file))
        return load(path, {"mtls-auth": MtlsAuth})

    return written


def listeners(configuration: Configuration) -> list[Section]:
    found: list[Section] = bootstrap(planned(configuration))["static_resources"]["listeners"]
    return found


def context(chain: Section) -> Section:
    found: Section = chain["transport_socket"]["typed_config"]
    return found


def test_the_listener_with_tls_is_the_other_one_behind_a_handshake(read: Read) -> None:
    plain, tls = listeners(read(trusted_ips=["10.0.0.0/8"]))
    managers = [
        [json.dumps(chain["filters"], sort_keys=True) for chain in one["filter_chains"]] for one in (plain, tls)
    ]
    noted = json.dumps({"append": {"header": {"key": "x-outrider-sni", "value": "sni:%REQUESTED_SERVER_NAME%"}}})
    assert [text.replace(f", {noted}", "") for text in managers[1]] == managers[0]
    assert tls["enable_reuse_port"] is False
    assert [chain["filter_chain_match"] for chain in tls["filter_chains"]] == [
        {"server_names": ["one.example"]},
        {"server_names": ["one.example"], **plain["filter_chains"][1]["filter_chain_match"]},
    ]


def test_no_other_name_has_a_filter_chain_unless_a_certificate_is_for_all(read: Read) -> None:
    (_, tls) = listeners(read("*.one.example", "*"))
    assert [one["filter_chain_match"] for one in tls["filter_chains"]] == [{"server_names": ["*.one.example"]}, {}]
    assert "default_filter_chain" not in tls


@pytest.mark.parametrize(("asks", "required"), [("required", True), ("optional", False)])
def test_clients_are_asked_for_what_the_authorities_signed(read: Read, asks: str, *, required: bool) -> None:
    (_, tls) = listeners(read(tls={"client_certificates": asks, "client_authorities": ["ca"], "minimum": "1.3"}))
    (chain,) = tls["filter_chains"]
    common = context(chain)["common_tls_context"]
    assert context(chain)["require_client_certificate"] is required
    assert common["validation_context"] == {"trusted_ca": {"inline_string": AUTHORITY.cert_pem}}
    assert common["tls_params"]["tls_minimum_protocol_version"] == "TLSv1_3"
    assert common["alpn_protocols"] == ["h2", "http/1.1"]


def test_no_certificate_from_a_header_is_passed_on(read: Read) -> None:
    for one in listeners(read(trusted_ips=["10.0.0.0/8"])):
        for chain in one["filter_chains"]:
            assert chain["filters"][0]["typed_config"]["forward_client_cert_details"] == "SANITIZE"


def test_the_certificate_is_told_where_a_plugin_looks_at_it(read: Read) -> None:
    document = bootstrap(planned(read()))
    assert PEER in per_route(document, "who")["overrides"]["grpc_initial_metadata"]
    assert "overrides" not in per_route(document, "any")
    document = bootstrap(planned(read(protocol="ext_authz")))
    assert the_filter(document)["grpc_service"]["initial_metadata"] == [PEER]


def test_another_certificate_at_the_same_place_is_another_listener_for_a_running_envoy(
    read: Read, tmp_path: Path
) -> None:
    def version(signed: Signed) -> str:
        plan = replace(planned(read(signed=signed)), folder=tmp_path)
        return next(one.version for one in watched(plan) if one.name == "listeners.json")

    assert version(ONE) == version(ONE) != version(AUTHORITY.sign("one.example"))


def test_a_key_outside_the_file_is_printed_nowhere(read: Read) -> None:
    configuration = read()
    assert not list(printed_keys(configuration))
    assert "PRIVATE" not in json.dumps(bootstrap(planned(configuration)))


def test_a_plugin_that_looks_at_certificates_needs_a_listener_that_asks_for_them(read: Read) -> None:
    (mistake,) = unasked(read(tls={}))
    assert "looks at the certificates of clients, and this gateway asks nobody for one" in str(mistake)
    assert not list(unasked(read()))


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (rsa.generate_private_key(65537, 1024), "an RSA key of 1024 bits"),  # noqa: S505 - what is refused
        (ec.generate_private_key(ec.SECP256K1()), "an ECDSA key on the curve secp256k1"),
        (ed25519.Ed25519PrivateKey.generate(), "a key that is neither RSA nor ECDSA"),
    ],
)
def test_what_envoy_would_refuse_is_said_when_the_file_is_loaded(read: Read, key: Any, words: str) -> None:
    (mistake,) = unsupported(read(signed=AUTHORITY.sign("one.example", key=key)))
    assert words in str(mistake)


def test_a_wildcard_at_the_end_of_a_server_name_is_refused(read: Read) -> None:
    (mistake,) = unsupported(read("one.*"))
    assert "has the server name one.*, and Envoy knows wildcards only for the first label" in str(mistake)


def test_workers_elsewhere_are_believed_by_their_address_alone() -> None:
    tls = WorkerTls("/etc/envoy.crt", "/etc/envoy.key", "/etc/ca.crt")
    common = context(workers(("[2001:db8::1]:9191", "[2001:db8::1]:9192"), tls=tls))["common_tls_context"]
    assert common["validation_context"] == {
        "trusted_ca": {"filename": "/etc/ca.crt"},
        "match_typed_subject_alt_names": [{"san_type": "IP_ADDRESS", "matcher": {"exact": "2001:db8::1"}}],
    }
    assert common["alpn_protocols"] == ["h2"]


@pytest.mark.parametrize("protocol", ["ext_proc", "ext_authz"])
def test_envoy_accepts_it(envoy_binary: Path, read: Read, tmp_path: Path, protocol: str) -> None:
    document = bootstrap(planned(read("*.one.example", "one.example", "*", trusted_ips=["::1"], protocol=protocol)))
    file = tmp_path / "bootstrap.json"
    file.write_text(json.dumps(document))
    command = [str(envoy_binary), "--config-path", str(file), "--mode", "validate", "--disable-hot-restart"]
    done = subprocess.run([*command, "--log-level", "warning"], capture_output=True, text=True, check=False)
    assert (done.returncode, "deprecated" in done.stderr) == (0, False), done.stderr
