"""Certificates with their keys and authorities, as the rest of Outrider sees them."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from outrider.config.document import Document
from outrider.config.entities import CaCertificateEntry, CertificateEntry
from outrider.config.ids import derived_id
from outrider.config.where import Place, at

_REFERENCE = re.compile(r"\{vault://(env|file)/([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Pem:
    """A text in PEM, and where it stands outside the file, if it does: a gateway can read it there by itself."""

    text: str = field(repr=False)
    variable: str | None = None
    """The name of the environment variable that has it."""
    path: Path | None = None
    """The file that has it."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with the chain behind it, and its private key."""

    id: str
    cert: Pem
    key: Pem
    tags: tuple[str, ...] = ()
    line: int = 0
    cert_alt: Pem | None = None
    """A certificate for the same names with a key of another kind."""
    key_alt: Pem | None = None
    snis: tuple[str, ...] = ()
    """The server names that it is shown for."""

    @property
    def pairs(self) -> tuple[tuple[Pem, Pem], ...]:
        """Each certificate with its key."""
        first = (self.cert, self.key)
        return (first,) if self.cert_alt is None or self.key_alt is None else (first, (self.cert_alt, self.key_alt))


@dataclass(frozen=True, slots=True)
class Authority:
    """The certificate of an authority."""

    id: str
    cert: Pem
    tags: tuple[str, ...] = ()
    line: int = 0


def certificate_of(
    entry: CertificateEntry, place: Place, document: Document, snis: tuple[str, ...] = ()
) -> Certificate:
    key_alt = entry.key_alt.get_secret_value() if entry.key_alt else None
    return Certificate(
        id=entry.id or derived_id("certificates", entry.cert),
        cert=_pem(entry.cert, (*place, "cert"), document),
        key=_pem(entry.key.get_secret_value(), (*place, "key"), document),
        cert_alt=_pem(entry.cert_alt, (*place, "cert_alt"), document) if entry.cert_alt else None,
        key_alt=_pem(key_alt, (*place, "key_alt"), document) if key_alt else None,
        snis=snis,
        tags=tuple(entry.tags),
        line=document.line(place),
    )


def authority_of(entry: CaCertificateEntry, place: Place, document: Document) -> Authority:
    return Authority(
        id=entry.id or derived_id("ca_certificates", entry.cert),
        cert=_pem(entry.cert, (*place, "cert"), document),
        tags=tuple(entry.tags),
        line=document.line(place),
    )


def _pem(text: str, place: Place, document: Document) -> Pem:
    written = at(document.data, place)
    match = _REFERENCE.fullmatch(written.strip()) if isinstance(written, str) else None
    if match is None:
        return Pem(text)
    kind, name = match.groups()
    return Pem(text, variable=name) if kind == "env" else Pem(text, path=document.directory / name)
