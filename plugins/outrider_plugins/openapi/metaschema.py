"""The OpenAPI Initiative's own schemas of documents, as openapi-spec-validator brings them.

That package's own check takes seconds and asks other hosts for what a `$ref` names; its schemas take milliseconds.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import jsonschema_rs

from outrider_plugins.openapi.document import Document, SpecError, below
from outrider_plugins.openapi.rules import KEYWORDS, rule

_MOST = 5


def mistakes(document: Document) -> Iterator[SpecError]:
    """What keeps it from being an OpenAPI document, the first few."""
    validator = _validator(document.version)
    if validator.is_valid(document.data):
        return
    for error in list(validator.iter_errors(document.data))[:_MOST]:
        yield _told(_deepest(error))


@lru_cache
def _validator(version: str) -> jsonschema_rs.Validator:
    spec = find_spec("openapi_spec_validator")
    if spec is None or spec.origin is None:
        raise ImportError("openapi_spec_validator")
    file = Path(spec.origin).parent / "resources" / "schemas" / f"v{version}" / "schema.json"
    return jsonschema_rs.validator_for(json.loads(file.read_text()), offline=True)


def _deepest(error: jsonschema_rs.ValidationError) -> jsonschema_rs.ValidationError:
    """Of what a schema with alternatives says the part that is about the smallest part of the document."""
    context: list[list[jsonschema_rs.ValidationError]] | None = getattr(error.kind, "context", None)
    inner = [_deepest(one) for branch in context or () for one in branch]
    # A reference is an alternative nearly everywhere, and what is no reference lacks its `$ref`.
    meant = [one for one in inner if getattr(one.kind, "property", "") != "$ref"]
    return max(meant, key=lambda one: len(one.instance_path), default=error)


def _told(error: jsonschema_rs.ValidationError) -> SpecError:
    kind, place = error.kind, below("#", *error.instance_path)
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        return SpecError(place, f"has no {kind.property}")
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        return SpecError(place, f"has {', '.join(kind.unexpected[:_MOST])}, which OpenAPI does not have there")
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.UnevaluatedProperties):
        return SpecError(place, f"has {', '.join(kind.unexpected[:_MOST])}, which OpenAPI does not have there")
    asked = next(iter(kind.as_dict().values()), None)
    return SpecError(place, rule(kind.name, asked) if kind.name in KEYWORDS else "is not as OpenAPI has it")
