"""Where requests go: the services of a file with the upstreams and certificates that they name."""

from outrider.config.certificates import Authority, Certificate, authority_of, certificate_of
from outrider.config.document import Document
from outrider.config.entities import (
    CaCertificateEntry,
    CertificateEntry,
    ServiceEntry,
    SniEntry,
    TargetEntry,
    UpstreamEntry,
)
from outrider.config.mistake import Mistake, shown
from outrider.config.references import References
from outrider.config.rows import Row, Rows
from outrider.config.services import Service, Trust, place_of, service_of
from outrider.config.upstreams import Target, Upstream, target_of, upstream_of
from outrider.config.where import Place, where


class Destinations:
    """Services, upstreams and certificates by the place they stand at, without those that are wrong."""

    def __init__(self, rows: Rows, references: References, document: Document) -> None:
        self.mistakes: list[Mistake] = []
        self._references, self._document = references, document
        names = self._server_names(rows)
        self.certificates = {
            row.place: certificate_of(row.model, row.place, document, tuple(names.get(row.place, ())))
            for row in rows.of("certificates")
            if isinstance(row.model, CertificateEntry)
        }
        self.authorities = {
            row.place: authority_of(row.model, row.place, document)
            for row in rows.of("ca_certificates")
            if isinstance(row.model, CaCertificateEntry)
        }
        targets = self._targets(rows)
        self.upstreams = {
            row.place: self._upstream(row, row.model, targets.get(row.place, {}))
            for row in rows.of("upstreams")
            if isinstance(row.model, UpstreamEntry)
        }
        named = {upstream.name: upstream for upstream in self.upstreams.values()}
        self.services = {
            row.place: self._service(row, row.model, named)
            for row in rows.of("services")
            if isinstance(row.model, ServiceEntry)
        }

    def _server_names(self, rows: Rows) -> dict[Place, list[str]]:
        """The server names of each certificate."""
        found: dict[Place, list[str]] = {}
        for row in rows.of("snis"):
            if not isinstance(row.model, SniEntry):
                continue
            owner = self._references.scope(row, "certificate")
            if owner is None and row.model.certificate is None:
                self._add(row.place, "has no certificate", "add certificate: with a certificate's id")
            if owner is not None:
                found.setdefault(owner.place, []).append(row.model.name)
        return found

    def _targets(self, rows: Rows) -> dict[Place, dict[str, Target]]:
        """The targets of each upstream, by their address."""
        found: dict[Place, dict[str, Target]] = {}
        for row in rows.of("targets"):
            if not isinstance(row.model, TargetEntry):
                continue
            owner = self._references.scope(row, "upstream")
            if owner is None and row.model.upstream is None:
                self._add(row.place, "has no upstream", "add upstream: with an upstream's name")
            if owner is not None:
                target = target_of(row.model)
                if found.setdefault(owner.place, {}).setdefault(str(target), target) is not target:
                    what = f"{shown(row.model.target)} is a target of {where(self._document.data, owner.place)} twice"
                    self._add((*row.place, "target"), what, "remove one, and add up their weights")
        return found

    def _upstream(self, row: Row, entry: UpstreamEntry, targets: dict[str, Target]) -> Upstream:
        certificate = self._certificate(row, entry.client_certificate)
        return upstream_of(entry, tuple(targets.values()), certificate, self._document.line(row.place))

    def _service(self, row: Row, entry: ServiceEntry, upstreams: dict[str, Upstream]) -> Service:
        trust = Trust(self._certificate(row, entry.client_certificate), self._authorities(row, entry))
        return service_of(entry, self._document.line(row.place), upstreams.get(place_of(entry)[0]), trust)

    def _certificate(self, row: Row, name: str | None) -> Certificate | None:
        if name is None:
            return None
        found = self._references.find("certificates", name, (*row.place, "client_certificate"))
        return self.certificates.get(found.place) if found else None

    def _authorities(self, row: Row, entry: ServiceEntry) -> tuple[Authority, ...]:
        rows = (
            self._references.find("ca_certificates", name, (*row.place, "ca_certificates", index))
            for index, name in enumerate(entry.ca_certificates)
        )
        return tuple(self.authorities[one.place] for one in rows if one is not None and one.place in self.authorities)

    def _add(self, place: Place, what: str, remedy: str) -> None:
        self.mistakes.append(self._document.mistake(place, what, remedy))
