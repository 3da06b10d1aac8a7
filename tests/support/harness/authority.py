"""A certificate authority of a test's own, and what it signs, as PEM."""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class Signed:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: Key

    @property
    def cert_pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @cached_property
    def key_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def server(self, folder: Path, clients: "Authority | None" = None) -> ssl.SSLContext:
        """What a server needs that shows it, and asks for a client's certificate if it is told whose."""
        path = folder / f"{self.certificate.serial_number}.pem"
        path.write_text(self.key_pem + self.cert_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        if clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=clients.cert_pem)
        return context


class Authority:
    """Signs certificates."""

    def __init__(self, name: str = "Test authority") -> None:
        self._self = _signed(name, None, ca=True)

    @property
    def cert_pem(self) -> str:
        return self._self.cert_pem

    @property
    def certificate(self) -> x509.Certificate:
        return self._self.certificate

    def sign(self, *names: str, **fields: Any) -> Signed:
        """A certificate for host names, addresses, URIs and addresses of mail."""
        return _signed(names[0], self._self, *names, **fields)

    def deputy(self, name: str) -> "Authority":
        """An authority that is signed by this one."""
        found = Authority(name)
        found._self = _signed(name, self._self, ca=True)
        return found


def _signed(
    subject: str,
    issuer: Signed | None,
    *names: str,
    ca: bool = False,
    key: Key | None = None,
    begin: timedelta = timedelta(hours=-1),
    end: timedelta = timedelta(hours=1),
    usage: x509.ObjectIdentifier | None = None,
) -> Signed:
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begin)
        .not_valid_after(now + end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_alternative, names))), critical=False)
    return Signed(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def _alternative(name: str) -> x509.GeneralName:
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    if "@" in name:
        return x509.RFC822Name(name)
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
