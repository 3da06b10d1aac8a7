"""Upstreams, targets, services and certificates, from the file to what the rest of Outrider sees."""

from pathlib import Path
from typing import Protocol

import pytest

from harness.authority import Authority
from outrider.config import ConfigError, Configuration, Target
from outrider.config.certificates import Pem
from outrider.config.upstreams import Hash

HEAD = '_format_version: "3.0"\n'


class Load(Protocol):
    def __call__(self, text: str, environ: dict[str, str] | None = None) -> Configuration: ...


def block(text: str) -> str:
    """A text of several lines as a value in YAML."""
    return "|\n" + "".join(f"      {line}\n" for line in text.splitlines())


@pytest.mark.parametrize(
    ("written", "host", "port"),
    [
        ("a.internal", "a.internal", 8000),
        ("A.internal:1", "a.internal", 1),
        ("10.0.0.1", "10.0.0.1", 8000),
        ("10.0.0.1:65535", "10.0.0.1", 65535),
        ("::1", "::1", 8000),
        ("[::1]", "::1", 8000),
        ("[FE80::1]:81", "fe80::1", 81),
    ],
)
def test_a_target_is_a_host_and_a_port(load_text: Load, written: str, host: str, port: int) -> None:
    (upstream,) = load_text(f'{HEAD}upstreams: [{{name: pool, targets: [{{target: "{written}"}}]}}]').upstreams
    assert upstream.targets == (Target(host, port),)


def test_targets_may_stand_apart_from_their_upstream(load_text: Load) -> None:
    text = (
        "upstreams: [{name: Pool, id: p1}]\ntargets: [{target: a, upstream: p1}, {target: b, upstream: {name: Pool}}]"
    )
    (upstream,) = load_text(HEAD + text).upstreams
    assert [str(target) for target in upstream.targets] == ["a:8000", "b:8000"]


def test_a_service_whose_host_is_an_upstreams_name_goes_to_its_targets(load_text: Load) -> None:
    text = "upstreams: [{name: Pool}]\nservices: [{url: 'https://POOL:1'}, {host: other}]"
    configuration = load_text(HEAD + text)
    with_pool, without = configuration.services
    assert with_pool.upstream is configuration.upstreams[0]
    assert without.upstream is None


def test_a_service_without_a_name_is_called_by_where_it_goes(load_text: Load) -> None:
    text = "services: [{url: 'grpcs://a.internal'}, {host: '::1', port: 5}]"
    assert [service.name for service in load_text(HEAD + text).services] == ["a.internal-443", "..1-5"]


@pytest.mark.parametrize(("protocol", "port"), [("http", 80), ("https", 443), ("grpc", 80), ("grpcs", 443)])
def test_each_protocol_has_its_port(load_text: Load, protocol: str, port: int) -> None:
    text = f"services: [{{host: a, protocol: {protocol}}}, {{url: '{protocol}://b'}}]"
    assert [service.port for service in load_text(HEAD + text).services] == [port, port]


@pytest.mark.parametrize(
    ("fields", "algorithm", "hashes"),
    [
        ("slots: 10", "round-robin", ()),
        ("hash_on: none, hash_fallback: none, algorithm: least-connections", "least-connections", ()),
        ("hash_on: ip", "consistent-hashing", (Hash("ip"),)),
        (
            "hash_on: header, hash_on_header: X-A, hash_fallback: cookie, hash_on_cookie: sid",
            "consistent-hashing",
            (Hash("header", "x-a"), Hash("cookie", "sid")),
        ),
        (
            "hash_on: header, hash_on_header: a, hash_fallback: header, hash_fallback_header: b",
            "consistent-hashing",
            (Hash("header", "a"), Hash("header", "b")),
        ),
    ],
)
def test_what_is_hashed_decides_the_algorithm(
    load_text: Load, fields: str, algorithm: str, hashes: tuple[Hash, ...]
) -> None:
    (upstream,) = load_text(f"{HEAD}upstreams: [{{name: pool, {fields}}}]").upstreams
    assert (upstream.algorithm, upstream.hashes) == (algorithm, hashes)


def test_a_key_stays_the_reference_that_it_was(load_text: Load, tmp_path: Path) -> None:
    signed = Authority().sign("client")
    (tmp_path / "client.key").write_text(signed.key_pem)
    rows = [
        f"  - cert: {block(signed.cert_pem)}    key: '{{vault://{where}}}'\n"
        for where in ("file/client.key", "env/KEY")
    ]
    configuration = load_text(HEAD + "certificates:\n" + "".join(rows), environ={"KEY": signed.key_pem})
    keys = [certificate.key for certificate in configuration.certificates]
    assert keys[0] == Pem(signed.key_pem.removesuffix("\n"), path=tmp_path / "client.key")
    assert keys[1] == Pem(signed.key_pem, variable="KEY")
    assert "PRIVATE KEY" not in repr(configuration.certificates)


def test_a_key_of_another_certificate_is_a_mistake_that_does_not_tell_it(load_text: Load) -> None:
    authority = Authority()
    cert, key = authority.sign("one").cert_pem, authority.sign("two").key_pem
    with pytest.raises(ConfigError) as caught:
        load_text(f"{HEAD}certificates:\n  - cert: {block(cert)}    key: {block(key)}")
    (mistake,) = caught.value.mistakes
    assert mistake.what == "has a key that does not belong to its certificate"
    assert key.splitlines()[1] not in str(caught.value)


def test_a_service_has_the_authorities_that_it_names(load_text: Load) -> None:
    cert = block(Authority().cert_pem)
    text = (
        f"ca_certificates:\n  - id: mine\n    cert: {cert}services: [{{url: 'https://a', ca_certificates: [mine]}}]"
    )
    (service,) = load_text(HEAD + text).services
    assert [authority.id for authority in service.authorities] == ["mine"]
