"""What all entities have, and how they refer to each other."""

from typing import Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, WithJsonSchema

from outrider.config.field_types import refusal
from outrider.config.mistake import shown

Text = Annotated[str, Field(min_length=1)]
Secret = Annotated[SecretStr, Field(min_length=1)]


def _reference(value: Any) -> Any:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        (key, name) = next(iter(fields.items()), ("", None))
        if len(fields) == 1 and key in ("name", "username", "id") and isinstance(name, str) and name:
            return name
    raise refusal(
        f"{shown(cast('object', value))} refers to nothing", "give its name, or one of {name: ...} and {id: ...}"
    )


Reference = Annotated[
    str,
    BeforeValidator(_reference),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object", "minProperties": 1, "maxProperties": 1}]}),
]
"""Another entity, by its name or id."""


class Entity(BaseModel):
    """What every entity has."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)

    id: Text | None = None
    """An identifier of your own; without one it is derived from the name."""
    tags: tuple[Text, ...] = ()
    """Words for people and tools; they change nothing."""
    comment: str | None = Field(None, alias="_comment")
    """A remark that is read by nobody but people."""
    ignore: tuple[Any, ...] = Field((), alias="_ignore")
    """Anything; it is not looked at."""
