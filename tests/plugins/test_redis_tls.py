"""Counts in a server over TLS: only one that this machine trusts is told anything."""

import asyncio
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from harness.redis_server import PATIENT, RedisServer, free_port
from outrider_plugins.counting.fixed_window import FixedWindow
from outrider_plugins.counting.redis import connection
from outrider_plugins.counting.redis.storage import open_redis
from outrider_plugins.counting.rule import Charge
from outrider_plugins.counting.storage import StorageError


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that vouches for itself, and its key beside it."""
    folder, key, now = tmp_path_factory.mktemp("tls"), ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "redis")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    hosts = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = builder.add_extension(hosts, critical=False).sign(key, hashes.SHA256())
    (folder / "cert").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    return folder / "cert"


@pytest.fixture(scope="module")
def port(certificate: Path) -> Iterator[int]:
    """Of a server that speaks TLS there."""
    files = ["--tls-cert-file", str(certificate), "--tls-key-file", str(certificate.with_name("key"))]
    with RedisServer("redis", "--tls-port", str(port := free_port()), "--tls-auth-clients", "no", *files):
        yield port


async def remaining(address: str) -> int:
    storage = open_redis(address, timeout=PATIENT)
    try:
        [usage] = await storage.take([Charge(FixedWindow(1000, 3600), address.encode())])
    finally:
        await storage.close()
    return usage.remaining


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(connection, "tls", lambda: context)


@pytest.mark.usefixtures("trusted")
def test_a_server_that_is_trusted_counts(port: int) -> None:
    assert asyncio.run(remaining(f"rediss://127.0.0.1:{port}")) == 999


def test_a_server_that_is_not_trusted_is_an_error(port: int) -> None:
    with pytest.raises(StorageError, match="shows a certificate that is not trusted"):
        asyncio.run(remaining(f"rediss://:hunter2@127.0.0.1:{port}"))


@pytest.mark.usefixtures("trusted")
def test_a_server_of_another_name_is_an_error(port: int) -> None:
    with pytest.raises(StorageError, match="shows a certificate that is not trusted"):
        asyncio.run(remaining(f"rediss://localhost:{port}"))
