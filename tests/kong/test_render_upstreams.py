"""Kong's services, upstreams, targets and certificates, rendered from a file."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.authority import Authority, Signed
from harness.outrider import outrider
from outrider.config import ConfigError
from outrider_cli.kong_config import kong_yml

Section = dict[str, Any]
CLIENT, TRUSTED = "4e3ad2e4-0bc4-4638-8e34-c84a417ba39c", "4e3ad2e4-0bc4-4638-8e34-c84a417ba39b"


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> Signed:
    signed = Authority().sign("client")
    monkeypatch.setenv("KONG_TEST_CLIENT_KEY", signed.key_pem)
    return signed


def rendered(folder: Path, **entities: Any) -> Section:
    path = folder / "outrider.yaml"
    path.write_text(yaml.safe_dump({"_format_version": "3.0", **entities}))
    found: Section = yaml.safe_load(kong_yml(path))
    return found


def certificate(signed: Signed, key: str = "{vault://env/KONG_TEST_CLIENT_KEY}") -> Section:
    return {"id": CLIENT, "cert": signed.cert_pem, "key": key}


def test_an_upstream_has_every_field_of_the_file(tmp_path: Path, signed: Signed) -> None:
    fields = {
        "algorithm": "consistent-hashing",
        "slots": 100,
        "hash_on": "header",
        "hash_on_header": "x-a",
        "hash_fallback": "cookie",
        "hash_on_cookie": "sid",
        "hash_on_cookie_path": "/a",
        "host_header": "x.y",
        "client_certificate": {"id": CLIENT},
        "healthchecks": {"threshold": 50, "passive": {"unhealthy": {"http_failures": 3}}},
        "tags": ["one"],
    }
    targets = [{"target": "10.0.0.1", "weight": 0, "tags": ["two"]}, {"target": "[::1]:5"}, {"target": "a.b"}]
    upstream = {"name": "pool", **fields, "targets": targets}
    (found,) = rendered(tmp_path, upstreams=[upstream], certificates=[certificate(signed)])["upstreams"]
    assert found.pop("id")
    assert found.pop("targets") == [
        {"target": "10.0.0.1:8000", "weight": 0, "tags": ["two"]},
        {"target": "[::1]:5", "weight": 100},
        {"target": "a.b:8000", "weight": 100},
    ]
    assert found == {"name": "pool", **fields}


def test_a_service_has_its_tls_fields(tmp_path: Path, signed: Signed) -> None:
    service = {
        "name": "orders",
        "url": "https://a.b",
        "client_certificate": {"id": CLIENT},
        "tls_verify": True,
        "tls_verify_depth": 2,
        "ca_certificates": [TRUSTED],
    }
    authority = {"id": TRUSTED, "cert": Authority().cert_pem}
    found = rendered(
        tmp_path,
        services=[service],
        certificates=[certificate(signed)],
        ca_certificates=[authority, {**authority, "id": CLIENT}],
    )
    (one,) = found["services"]
    assert {name: one[name] for name in service if name != "url"} == {k: v for k, v in service.items() if k != "url"}
    assert found["certificates"] == [certificate(signed)]
    assert found["ca_certificates"] == [authority]


@pytest.mark.parametrize("protocol", ["http", "grpc", "grpcs"])
def test_what_kong_has_for_https_only_is_not_written_elsewhere(tmp_path: Path, protocol: str) -> None:
    (one,) = rendered(tmp_path, services=[{"host": "a.b", "protocol": protocol, "tls_verify": False}])["services"]
    assert (one["protocol"], one["name"]) == (protocol, f"a.b-{443 if protocol == 'grpcs' else 80}")
    assert "tls_verify" not in one


def test_the_targets_are_those_of_the_moment(tmp_path: Path) -> None:
    (tmp_path / "endpoints").mkdir()
    (tmp_path / "endpoints" / "pool.yaml").write_text("targets: [{target: 10.9.9.9}]")
    upstreams = [{"name": "pool", "targets": [{"target": "10.0.0.1"}]}]
    found = rendered(tmp_path, gateway={"endpoints": "endpoints"}, upstreams=upstreams)
    assert found["upstreams"][0]["targets"] == [{"target": "10.9.9.9:8000", "weight": 100}]


def test_a_key_that_would_be_shown_is_refused(tmp_path: Path, signed: Signed) -> None:
    (tmp_path / "client.key").write_text(signed.key_pem)
    for key in (signed.key_pem, "{vault://file/client.key}"):
        with pytest.raises(ConfigError) as caught:
            rendered(
                tmp_path,
                services=[{"url": "https://a.b", "client_certificate": CLIENT}],
                certificates=[certificate(signed, key)],
            )
        assert "write {vault://env/NAME}, with a NAME in capitals" in str(caught.value)
        assert "PRIVATE" not in str(caught.value)


def test_what_kong_has_for_https_only_is_refused_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has TLS settings, which Kong has for https only"):
        rendered(tmp_path, services=[{"url": "grpcs://a.b", "tls_verify": True}])


@pytest.mark.parametrize("kind", ["upstreams", "ca_certificates"])
def test_ids_are_uuids(tmp_path: Path, kind: str) -> None:
    entity = {"name": "pool"} if kind == "upstreams" else {"cert": Authority().cert_pem}
    with pytest.raises(ConfigError, match="is no UUID"):
        rendered(tmp_path, **{kind: [{"id": "mine", **entity}]})


@pytest.mark.parametrize(("in_the_file", "code"), [(True, 1), (False, 0)])
def test_render_envoy_does_not_print_a_key_either(
    tmp_path: Path, signed: Signed, code: int, *, in_the_file: bool
) -> None:
    reference = "{vault://env/KONG_TEST_CLIENT_KEY}"
    service = {"url": "https://a.b", "client_certificate": CLIENT, "routes": [{"paths": ["/"]}]}
    entities = {
        "services": [service],
        "certificates": [certificate(signed, signed.key_pem if in_the_file else reference)],
    }
    path = tmp_path / "outrider.yaml"
    path.write_text(yaml.safe_dump({"_format_version": "3.0", **entities}))
    done = outrider("render", "envoy", path)
    assert done.returncode == code, done.stderr
    assert signed.key_pem.splitlines()[1] not in done.stdout + done.stderr
    assert ("environment_variable: KONG_TEST_CLIENT_KEY" in done.stdout) is not in_the_file
