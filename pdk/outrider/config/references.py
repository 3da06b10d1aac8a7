"""Names that have to be unique, and what refers to them."""

from collections.abc import Mapping

from outrider.config.document import Document
from outrider.config.mistake import Mistake, closest, shown
from outrider.config.rows import Row, Rows
from outrider.config.where import Place, at, where

_UNIQUE: Mapping[str, tuple[str, ...]] = {
    "services": ("name", "id"),
    "routes": ("name", "id"),
    "upstreams": ("name", "id"),
    "targets": ("id",),
    "certificates": ("id",),
    "snis": ("name", "id"),
    "ca_certificates": ("id",),
    "consumers": ("username", "custom_id", "id"),
    "consumer_groups": ("name", "id"),
    "plugins": ("instance_name", "id"),
    "keyauth_credentials": ("key", "id"),
    "jwt_secrets": ("key", "id"),
    "basicauth_credentials": ("username", "id"),
    "mtls_auth_credentials": ("id",),
}
_SECRET = {("keyauth_credentials", "key")}
_NAMES: Mapping[str, tuple[str, ...]] = {
    "services": ("name", "id"),
    "routes": ("name", "id"),
    "upstreams": ("name", "id"),
    "certificates": ("id",),
    "ca_certificates": ("id",),
    "consumers": ("username", "id"),
    "consumer_groups": ("name", "id"),
}


class References:
    """Finds entities by name or id, and collects what is wrong with the names."""

    def __init__(self, rows: Rows, document: Document) -> None:
        self.mistakes: list[Mistake] = []
        self._document = document
        self._by_name = {kind: _by_name(rows.of(kind), fields) for kind, fields in _NAMES.items()}
        for kind, fields in _UNIQUE.items():
            for field in fields:
                self._check_unique(rows.of(kind), field)

    def names(self, kind: str) -> frozenset[str]:
        """Every name and id of a kind."""
        return frozenset(self._by_name[kind])

    def find(self, kind: str, name: str, place: Place) -> Row | None:
        """The entity of that name or id, which the file mentions at a place."""
        found = self._by_name[kind].get(name)
        if found is None:
            what = f"{shown(name)} is none of the {kind.replace('_', ' ')}"
            remedy = closest(name, self._by_name[kind], f"the {kind.replace('_', ' ')} are")
            self.mistakes.append(self._document.mistake(place, what, remedy))
        return found

    def scope(self, row: Row, field: str) -> Row | None:
        """The entity that a plugin or a route belongs to: what it stands under, or what its field refers to."""
        kind = f"{field}s"
        name = getattr(row.model, field, None)
        if row.owner is None or row.owner.kind != kind:
            return self.find(kind, name, (*row.place, field)) if name else None
        if name:
            what = f"stands under {where(self._document.data, row.owner.place)} already"
            self.mistakes.append(self._document.mistake((*row.place, field), what, "remove it"))
        return row.owner

    def _check_unique(self, rows: list[Row], field: str) -> None:
        first: dict[str, Row] = {}
        for row in rows:
            value = row.text(field)
            if value is not None and first.setdefault(value, row) is not row:
                given = self._given(row, field)
                what = f"{given} is taken by {where(self._document.data, first[value].place)}"
                line = self._document.line((*first[value].place, field))
                remedy = f"change this one or the one in line {line}"
                self.mistakes.append(self._document.mistake((*row.place, field), what, remedy))

    def _given(self, row: Row, field: str) -> str:
        # as the file has it: a secret that a reference stands for would be shown
        secret = (row.kind, field) in _SECRET
        return "the same value" if secret else shown(at(self._document.data, (*row.place, field)))


def _by_name(rows: list[Row], fields: tuple[str, ...]) -> dict[str, Row]:
    # names before ids: a reference that could be either is the name
    found: dict[str, Row] = {}
    for field in fields:
        for row in rows:
            if (name := row.text(field)) is not None:
                found.setdefault(name, row)
    return found
