"""Whose a client's certificate is, by what it says."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from cryptography.x509 import Certificate, load_pem_x509_certificate

from outrider import Consumer, Consumers, Credential, Peer

CertificateName = Literal["spiffe", "uri", "dns", "email", "common_name", "subject", "fingerprint"]
"""What of a certificate can name a consumer."""

_FINGERPRINT = re.compile(r"[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}")
_VALUES: Mapping[CertificateName, Callable[[Peer], Sequence[str]]] = {
    "spiffe": lambda peer: (peer.spiffe_id,) if peer.spiffe_id else (),
    "uri": lambda peer: peer.uris,
    "dns": lambda peer: peer.dns,
    "email": lambda peer: peer.emails,
    "common_name": lambda peer: peer.common_names,
    "subject": lambda peer: (peer.subject,),
    "fingerprint": lambda peer: (peer.fingerprint,),
}


class Owner(NamedTuple):
    """A consumer, and an identifier of what it has proved itself with."""

    consumer: Consumer
    credential: str


class SeveralOwnersError(Exception):
    """A certificate that names more than one consumer."""


class _Row(NamedTuple):
    credential: Credential
    issuer: Certificate | None


class Rows:
    """The consumers' `mtls_auth_credentials`, by what they compare."""

    def __init__(self, consumers: Consumers) -> None:
        """Raises `ValueError` if one certificate could be two consumers'."""
        self._rows: dict[str, list[_Row]] = {}
        for credential in consumers.credentials("mtls_auth_credentials"):
            name, pem = _compared(credential.fields["subject_name"]), credential.fields.get("ca_certificate")
            row = _Row(credential, load_pem_x509_certificate(pem.encode()) if pem else None)
            rows = self._rows.setdefault(name, [])
            if any(one.issuer == row.issuer for one in rows):
                raise ValueError(
                    f"two mtls_auth_credentials have the subject_name {name!r}: "
                    "keep one, or give each a ca_certificate of its own"
                )
            rows.append(row)

    def find(self, name: str, issuer: Certificate) -> Owner | None:
        """Whose it is; what is for certificates of one authority only comes first."""
        rows = self._rows.get(name, ())
        for wanted in (issuer, None):
            for row in rows:
                if row.issuer == wanted:
                    return Owner(row.credential.consumer, row.credential.id)
        return None


def owner(
    peer: Peer, issuer: Certificate, by: Sequence[CertificateName], rows: Rows, consumers: Consumers
) -> Owner | None:
    """The consumer that the first of the names in `by` names which names any. Raises `SeveralOwnersError`."""
    for kind in by:
        found = [one for name in _VALUES[kind](peer) if (one := _named(name, issuer, rows, consumers)) is not None]
        if len({one.consumer.id for one in found}) > 1:
            raise SeveralOwnersError
        if found:
            return found[0]
    return None


def _named(name: str, issuer: Certificate, rows: Rows, consumers: Consumers) -> Owner | None:
    if (found := rows.find(name, issuer)) is not None:
        return found
    consumer = consumers.find(name)
    return Owner(consumer, name) if consumer is not None else None


def _compared(name: str) -> str:
    return name.replace(":", "").lower() if _FINGERPRINT.fullmatch(name) else name
