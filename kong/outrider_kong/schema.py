"""Kong's schema of a plugin, read from the fields of its class.

Kong has no unions. Of a type that takes one value or a list of them it takes the list, of whole and other numbers
the numbers. What it has no word for (a model that holds itself, a dict of anything) is left out, so that Kong refuses
it as an unknown field. What no schema of Kong's can say (a pattern, a check over several fields) is found by our
server when the plugin starts: then it refuses every request.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError

from outrider.auth import Auth
from outrider.errors import PluginError
from outrider.json_schema import WithDefaults
from outrider.plugin import Plugin
from outrider_kong.field_schema import Field, Fields, record_of

_LAST = ("on_error", "timeout")
"""The fields that every plugin has stand behind its own."""

_PROTOCOLS = ["grpc", "grpcs", "http", "https"]
_HTTP: Field = {
    "type": "set",
    "required": True,
    "default": _PROTOCOLS,
    "elements": {"type": "string", "one_of": _PROTOCOLS},
}
# Before anybody is authenticated no consumer's configuration runs: a chain that had one would silently not run.
_NO_CONSUMER: Field = {"type": "foreign", "reference": "consumers", "eq": None}
_ROUTE: Field = {
    "type": "string",
    "len_min": 1,
    "description": "The name of the route in Outrider's file whose plugins run.",
}


def config_record(name: str, cls: type[Plugin]) -> Field:
    """The `config` of one plugin as Kong's record. Raises `PluginError` if a required field can't be said."""
    try:
        schema = TypeAdapter(cls).json_schema(schema_generator=WithDefaults)
    except PydanticUserError as error:
        raise PluginError(
            f"{name} has a field whose type can't be told ({error.message}): mend its annotation"
        ) from error
    properties: Mapping[str, Any] = schema["properties"]
    ordered = {field: properties[field] for field in sorted(properties, key=lambda field: field in _LAST)}
    record = record_of({**schema, "properties": ordered}, schema.get("$defs", {}))
    if record is None:
        raise PluginError(
            f"{name} has a required field whose type Kong has no word for: "
            "give the field a default, or run the plugin in a chain with route: in place of plugins:"
        )
    return record


def plugin_schema(name: str, cls: type[Plugin], registered: str) -> Field:
    """The schema of a plugin by itself, as Kong knows it under the name `registered`."""
    return _schema(registered, config_record(name, cls), everybody=issubclass(cls, Auth))


def chain_schema(classes: Mapping[str, type[Plugin]], registered: str) -> Field:
    """The schema of a chain of any of these plugins, under the name `registered`."""
    return _schema(registered, _chain_record(dict(_sayable(classes))), everybody=True)


def _schema(registered: str, config: Field, *, everybody: bool) -> Field:
    consumer = [{"consumer": _NO_CONSUMER}] if everybody else []
    return {"name": registered, "fields": [*consumer, {"protocols": _HTTP}, {"config": config}]}


def _sayable(classes: Mapping[str, type[Plugin]]) -> Iterable[tuple[str, Field]]:
    for name, cls in classes.items():
        try:
            yield name, config_record(name, cls)
        except PluginError:
            continue


def _chain_record(records: Mapping[str, Field]) -> Field:
    plugins: Fields = [{name: {**record, "required": False}} for name, record in records.items()]
    element = {"type": "record", "required": True, "fields": plugins, "entity_checks": [_one_of(records)]}
    listed: Field = {
        "type": "array",
        "len_min": 1,
        "elements": element,
        "description": "The plugins that run, each as one name with its config; they run by priority.",
    }
    fields: Fields = [{"route": _ROUTE}, {"plugins": listed}]
    return {"type": "record", "fields": fields, "entity_checks": [_one_of(("route", "plugins"))]}


def _one_of(names: Iterable[str]) -> dict[str, list[str]]:
    return {"only_one_of": list(names)}
