"""Puts validated entities together: services, routes and consumers with what they refer to."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from outrider.config.destinations import Destinations
from outrider.config.document import Document
from outrider.config.entities import (
    Acl,
    ConsumerEntry,
    ConsumerGroupEntry,
    MtlsAuthCredential,
    RouteEntry,
    ServiceEntry,
)
from outrider.config.file_model import CREDENTIALS
from outrider.config.ids import derived_id
from outrider.config.mistake import Mistake, shown
from outrider.config.references import References
from outrider.config.routes import Route, route_of
from outrider.config.rows import Row, Rows
from outrider.config.services import Service
from outrider.config.where import Place, at, inside, where
from outrider.consumer import Consumer, Consumers, Credential


class Entities:
    """The entities of a file by the place they stand at, without those that are wrong."""

    def __init__(self, rows: Rows, references: References, document: Document) -> None:
        self._rows, self._references, self._document = rows, references, document
        self.destinations = Destinations(rows, references, document)
        self.mistakes: list[Mistake] = self.destinations.mistakes
        self.services = self.destinations.services
        self.routes = dict(self._routes())
        self.groups = {
            row.place: row.model.name
            for row in rows.of("consumer_groups")
            if isinstance(row.model, ConsumerGroupEntry)
        }
        self._groups_of: dict[Place, list[str]] = {}
        for row in rows.of("consumer_groups"):
            if isinstance(row.model, ConsumerGroupEntry):
                self._add_members(row, row.model)
        self._issuers = dict(self._named_issuers())
        self._acls: dict[Place, list[str]] = {}
        for row in rows.of("acls"):
            if isinstance(row.model, Acl) and row.owner is not None:
                self._acls.setdefault(row.owner.place, []).append(row.model.group)
        self.consumers = {
            row.place: self._consumer(row, row.model)
            for row in rows.of("consumers")
            if isinstance(row.model, ConsumerEntry)
        }
        self.disabled = {
            self.services[row.place].name
            for row in rows.of("services")
            if isinstance(row.model, ServiceEntry) and not row.model.enabled
        }
        self._check_names(self.services)
        self._check_names(self.routes)
        self._check_routes()

    def enabled_services(self) -> tuple[Service, ...]:
        """The services that take requests."""
        return tuple(service for service in self.services.values() if service.name not in self.disabled)

    def enabled_routes(self) -> tuple[Route, ...]:
        """The routes of services that take requests."""
        return tuple(route for route in self.routes.values() if route.service.name not in self.disabled)

    def everybody(self) -> Consumers:
        """The consumers with their credentials."""
        return Consumers(self.consumers.values(), {kind: self._credentials(kind) for kind in CREDENTIALS})

    def _routes(self) -> Iterator[tuple[Place, Route]]:
        positions: dict[str, Iterator[int]] = {}
        for row in self._rows.of("routes"):
            if not isinstance(row.model, RouteEntry):
                continue
            owner = self._references.scope(row, "service")
            if owner is None and row.model.service is None:
                self._add(row.place, "has no service", "add service: with a service's name")
            if owner is not None and (service := self.services.get(owner.place)):
                position = next(positions.setdefault(service.name, itertools.count(1)))
                yield row.place, route_of(row.model, service, position)

    def _consumer(self, row: Row, entry: ConsumerEntry) -> Consumer:
        for index, group in enumerate(entry.groups):
            self._references.find("consumer_groups", group.name, (*row.place, "groups", index))
        return Consumer(
            id=entry.id or _consumer_id(entry),
            username=entry.username,
            custom_id=entry.custom_id,
            groups=tuple(
                dict.fromkeys((*(group.name for group in entry.groups), *self._groups_of.get(row.place, ())))
            ),
            acls=tuple(self._acls.get(row.place, ())),
            tags=tuple(entry.tags),
        )

    def _add_members(self, row: Row, group: ConsumerGroupEntry) -> None:
        for index, name in enumerate(group.consumers):
            consumer = self._references.find("consumers", name, (*row.place, "consumers", index))
            if consumer is not None:
                self._groups_of.setdefault(consumer.place, []).append(group.name)

    def _credentials(self, kind: str) -> Iterator[Credential]:
        for row in self._rows.of(kind):
            consumer = self.consumers.get(row.owner.place) if row.owner else None
            if consumer is not None and row.model is not None:
                fields = row.model.model_dump(exclude={"id", "tags", "comment", "ignore"}, exclude_none=True)
                if row.place in self._issuers:
                    # As PEM: who has a credential does not see the file.
                    fields["ca_certificate"] = self._issuers[row.place]
                # made from the position: made from a key, the identifier would tell of the key
                identifier = row.text("id") or derived_id(kind, f"{consumer.id}/{row.place[-1]}")
                yield Credential(consumer, identifier, fields)

    def _named_issuers(self) -> Iterator[tuple[Place, str]]:
        """The authorities that credentials name."""
        for row in self._rows.of("mtls_auth_credentials"):
            if isinstance(row.model, MtlsAuthCredential) and (name := row.model.ca_certificate) is not None:
                found = self._references.find("ca_certificates", name, (*row.place, "ca_certificate"))
                if found is not None and found.place in self.destinations.authorities:
                    yield row.place, self.destinations.authorities[found.place].cert.text

    def _check_names(self, entities: Mapping[Place, Service | Route]) -> None:
        first: dict[str, Place] = {}
        for place, entity in entities.items():
            other = first.setdefault(entity.name, place)
            for mine, theirs in ((place, other), (other, place)):
                if other != place and inside(at(self._document.data, mine), "name") is None:
                    what = f"would be called {shown(entity.name)}, as {where(self._document.data, theirs)} is"
                    self._add(mine, what, "give it a name")

    def _check_routes(self) -> None:
        first: dict[tuple[Any, ...], Place] = {}
        for place, route in self.routes.items():
            others = frozenset(route.headers), frozenset(route.snis)
            keys = itertools.product(route.paths or [None], route.hosts or [None], route.methods or [None], [others])
            twins = {first.setdefault(key, place) for key in keys} - {place}
            for twin in sorted(twins, key=self._document.line):
                what = f"matches the same requests as {where(self._document.data, twin)}"
                self._add(place, what, "give one of them another path, host, method or header")

    def _add(self, place: Place, what: str, remedy: str) -> None:
        self.mistakes.append(self._document.mistake(place, what, remedy))


def _consumer_id(entry: ConsumerEntry) -> str:
    # a username and somebody else's custom_id may be the same word
    field, name = ("username", entry.username) if entry.username else ("custom_id", entry.custom_id)
    return derived_id(f"consumers/{field}", name or "")
