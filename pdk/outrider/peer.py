"""Who stands at the other end of a TLS connection: what a client's certificate says."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from outrider.errors import OutriderError

if TYPE_CHECKING:
    from cryptography import x509


class CertificateError(OutriderError):
    """A text that is no certificate, or one that contradicts itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A client by its certificate, which it has the private key of.

    That the certificate is signed by somebody who is believed is for the gateway and the plugin mtls-auth to see to:
    in a request, compare nothing of it before one of them has.
    """

    subject: str = ""
    """The subject as RFC 4514 writes it."""
    common_names: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    """The subject alternative names (RFC 5280, section 4.2.1.6), by their kind."""
    dns: tuple[str, ...] = ()
    """In lower case."""
    emails: tuple[str, ...] = ()
    fingerprint: str = ""
    """The SHA-256 of the certificate, in 64 lower-case hexadecimal digits."""
    not_before: datetime | None = None
    not_after: datetime | None = None
    pem: str = field(default="", repr=False)
    """The certificate itself."""

    @property
    def spiffe_id(self) -> str | None:
        """The only URI of the certificate, where it is a SPIFFE id (X.509-SVID, section 2)."""
        return self.uris[0] if len(self.uris) == 1 and self.uris[0].startswith("spiffe://") else None

    @classmethod
    def from_pem(cls, pem: str) -> "Peer":
        """What a certificate says. Raises `CertificateError`."""
        return _peer(pem)


def _peer(pem: str) -> Peer:
    from cryptography import x509  # few gateways ask for certificates
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        names = _alternative_names(certificate)
        common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return Peer(
            subject=certificate.subject.rfc4514_string(),
            common_names=tuple(str(one.value) for one in common),
            uris=tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
            dns=tuple(name.lower() for name in names.get_values_for_type(x509.DNSName)),
            emails=tuple(names.get_values_for_type(x509.RFC822Name)),
            fingerprint=certificate.fingerprint(SHA256()).hex(),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            pem=pem,
        )
    except ValueError:
        raise CertificateError("the client's certificate can't be read") from None


def _alternative_names(certificate: "x509.Certificate") -> "x509.SubjectAlternativeName":
    from cryptography import x509

    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.SubjectAlternativeName([])
