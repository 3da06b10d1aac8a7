"""The entities of the file one by one, wherever they stand: at the top or under each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from outrider.config.explain import explain
from outrider.config.file_model import MODELS, NESTED
from outrider.config.mistake import Mistake, kind_of
from outrider.config.secrets import Secrets
from outrider.config.shape import shape_of
from outrider.config.unserved import unserved
from outrider.config.where import Place


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One entity: its own fields, and the entity it stands under."""

    kind: str
    place: Place
    fields: dict[str, Any]
    owner: "Row | None"
    model: BaseModel | None
    """None if the fields are wrong."""

    def text(self, field: str) -> str | None:
        """A field as text, whether the rest of the entity is right or not."""
        value = self.fields.get(field)
        return value if isinstance(value, str) else None


class Rows:
    """Every entity of a file, and what is wrong with the fields of each."""

    def __init__(self, secrets: Secrets) -> None:
        self.mistakes: list[Mistake] = []
        self.kongs_own: list[Place] = []
        """Where lists stand that only Kong has."""
        self._secrets = secrets
        self._rows: dict[str, list[Row]] = {}
        self._context = {"directory": secrets.document.directory}
        self._entity("file", secrets.data, (), None)

    def of(self, kind: str) -> list[Row]:
        """The entities of one kind, in the order of the file."""
        return self._rows.get(kind, [])

    def _entity(self, kind: str, value: Any, place: Place, owner: Row | None) -> None:
        if not isinstance(value, dict):
            what = f"{kind_of(value)} is no mapping"
            self._add(place, what, "write its fields under it")
            return
        # Kong writes null for a field that is not set
        fields = {name: item for name, item in cast("dict[str, Any]", value).items() if item is not None}
        nested = {name: fields.pop(name) for name in NESTED.get(kind, ()) if name in fields}
        row = Row(kind, place, fields, owner, self._validated(kind, fields, place))
        self._rows.setdefault(kind, []).append(row)
        for name, items in nested.items():
            self._list(name, items, (*place, name), row)

    def _list(self, kind: str, items: Any, place: Place, owner: Row) -> None:
        if not isinstance(items, list):
            what = f"{kind_of(items)} is no list"
            self._add(place, what, "begin each item with a dash")
            return
        for index, item in enumerate(cast("Sequence[Any]", items)):
            self._entity(kind, item, (*place, index), owner)

    def _validated(self, kind: str, fields: dict[str, Any], place: Place) -> BaseModel | None:
        before = len(self.mistakes)
        for name, field in unserved(kind, fields):
            # Of a plugin, it may be for Kong's own: whoever builds the plugin knows.
            if field.is_harmless(fields.pop(name)) or kind == "plugins":
                continue
            if field.is_kongs_own:
                self.kongs_own.append((*place, name))
                self._secrets.leave((*place, name))
            else:
                self._add((*place, name), "is Kong's, and not supported here yet", field.remedy)
        try:
            model = MODELS[kind].model_validate(fields, context=self._context)
        except ValidationError as error:
            self.mistakes.extend(explain(error, place, shape_of(MODELS[kind]), self._secrets))
            return None
        return model if len(self.mistakes) == before else None

    def _add(self, place: Place, what: str, remedy: str) -> None:
        self.mistakes.append(self._secrets.document.mistake(place, what, remedy))
