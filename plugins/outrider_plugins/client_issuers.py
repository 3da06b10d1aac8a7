"""Authorities whose signature under a client's certificate counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.x509 import Certificate, ExtendedKeyUsage, ExtensionNotFound, load_pem_x509_certificate
from cryptography.x509.oid import ExtendedKeyUsageOID

from outrider import Peer

_FOR_CLIENTS = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


@dataclass(frozen=True, slots=True)
class Signed:
    """A certificate that one of them signed, and how long both hold."""

    issuer: Certificate
    begin: datetime
    end: datetime


class ClientIssuers:
    """They have to have signed it themselves: one between them and the client is an authority to be named, too."""

    def __init__(self, pems: Iterable[str]) -> None:
        """Raises `ValueError` for what is no certificate."""
        self._issuers = [load_pem_x509_certificate(pem.encode()) for pem in pems]

    def __bool__(self) -> bool:
        return bool(self._issuers)

    def judge(self, peer: Peer) -> Signed | None:
        """None for what none of them signed, and for what is not for clients (RFC 5280, section 4.2.1.12)."""
        certificate = load_pem_x509_certificate(peer.pem.encode())
        if not _is_for_clients(certificate):
            return None
        for issuer in self._issuers:
            if _signed(issuer, certificate):
                begin = max(issuer.not_valid_before_utc, certificate.not_valid_before_utc)
                return Signed(issuer, begin, min(issuer.not_valid_after_utc, certificate.not_valid_after_utc))
        return None


def _signed(issuer: Certificate, certificate: Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _is_for_clients(certificate: Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(ExtendedKeyUsage).value
    except ExtensionNotFound:
        return True
    return not _FOR_CLIENTS.isdisjoint(usage)
