"""TLS with downstream: which certificates are shown, and which of the clients' are believed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from outrider.config.certificates import Authority, Certificate
from outrider.config.destinations import Destinations
from outrider.config.document import Document
from outrider.config.field_types import Address
from outrider.config.file_model import File
from outrider.config.mistake import Mistake
from outrider.config.references import References
from outrider.config.rows import Rows
from outrider.config.tls import ClientCertificates, TlsVersion

_PLACE = ("gateway", "tls")


@dataclass(frozen=True, slots=True)
class DownstreamTls:
    """A listener with TLS."""

    listen: Address
    certificates: tuple[Certificate, ...]
    """Those that have server names."""
    client_certificates: ClientCertificates
    authorities: tuple[Authority, ...]
    """Who signs the certificates of clients."""
    minimum: TlsVersion


class DownstreamTlsBuilder:
    """Puts it together, and collects what is wrong with it."""

    def __init__(self, rows: Rows, references: References, destinations: Destinations, document: Document) -> None:
        self.mistakes: list[Mistake] = []
        self._references, self._destinations, self._document = references, destinations, document
        file = next((row.model for row in rows.of("file") if isinstance(row.model, File)), None)
        settings = file.gateway.tls if file is not None else None
        self.found: DownstreamTls | None = None
        if settings is not None:
            self.found = DownstreamTls(
                settings.listen,
                tuple(one for one in destinations.certificates.values() if one.snis),
                settings.client_certificates,
                tuple(self._authorities(settings.client_authorities)),
                settings.minimum,
            )
            if not self.found.certificates and not rows.mistakes:
                remedy = 'give one of certificates snis: [{name: ...}], where the name "*" is every name'
                self._add("has no certificate to show: none has server names", remedy)

    @property
    def trust(self) -> Mapping[str, object]:
        """What plugins may believe, for the context of their validation, as PEM."""
        everybody = self._destinations.authorities.values()
        clients = self.found.authorities if self.found else ()
        return {
            "authorities": {one.id: one.cert.text for one in everybody},
            "client_authorities": tuple(one.cert.text for one in clients),
        }

    def _authorities(self, names: list[str]) -> Iterator[Authority]:
        for index, name in enumerate(names):
            row = self._references.find("ca_certificates", name, (*_PLACE, "client_authorities", index))
            if row is not None and row.place in self._destinations.authorities:
                yield self._destinations.authorities[row.place]

    def _add(self, what: str, remedy: str) -> None:
        self.mistakes.append(self._document.mistake(_PLACE, what, remedy))
