# noqa: INP001 - no package, like conf.py beside it
"""Prints format.md, the reference of the file, from the models: python docs/make_format.py > docs/format.md."""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from outrider.config.entities import Entity
from outrider.config.entities.consumer import Membership
from outrider.config.entities.health import (
    Active,
    ActiveHealthy,
    ActiveUnhealthy,
    HealthChecks,
    Passive,
    PassiveHealthy,
    PassiveUnhealthy,
)
from outrider.config.field_types import Address
from outrider.config.file_model import MODELS
from outrider.config.gateway import Gateway, Log
from outrider.config.rate_limit_service import RateLimitService
from outrider.config.tls import Tls
from outrider.config.unserved import FIELDS

Schema = Mapping[str, Any]

HEAD = """# The format

<!-- Made by docs/make_format.py from the models: python docs/make_format.py > docs/format.md -->

Every field of the file, made from the models that check it: Kong's declarative format 3.0, and the section
`gateway`. `outrider check` names every mistake with its line, `outrider schema` prints the same as a JSON Schema for
editors. What stands in a plugin's `config` is on [the plugin's page](index.md); what a gateway can't do is [at the
end](#what-a-gateway-cant-do).

A field that is `null` is one that is not there. An entity stands under the one that it belongs to, or at the top
and names it: a route under its service or in `routes`, a target, a server name (`snis`) and a plugin likewise. A
reference is a name or an id, or one of `{name: ...}` and `{id: ...}`. `{vault://env/NAME}` and `{vault://file/PATH}`
stand for secrets in credentials, certificates and a plugin's `config`.
"""
TAIL = """## What a gateway can't do

What can't be done as the file says is refused when it is loaded.

| where | behind Envoy | behind Kong 3.9 |
|---|---|---|
| `id` | any text | a UUID |
| `tags` | any text | without comma, slash and control characters |
| a host of digits and dots that is no address | as a name | refused |
| `request_buffering`, `response_buffering` | Envoy holds what plugins need, whatever they say | as they say |
| `hash_on: uri_capture` | refused | yes |
| `healthchecks.threshold` | counts targets; refused with consistent-hashing | counts weights |
| TLS fields of a service with `grpcs` | yes | refused |
| the `key` of a certificate for upstream | `render envoy` refuses one in clear | `{vault://env/NAME}` only |
| a plugin with hooks on pieces of a body | yes, with `protocol: ext_proc` | refused |
| client certificates: `gateway.tls.client_certificates`, mtls-auth | yes | refused |
| a plugin that only Kong has | refused, or `--lenient` | [as it is](guide-kong.md#plugins-that-only-kong-has) |
| `gateway.workers`, `metrics`, `queue_budget`, `log`, `plugin_dirs` | yes | of the plugin server |
| `gateway.listen`, `trusted_ips` | yes | printed by `render kong --conf` |
| `gateway.concurrency`, `protocol`, `log.access` | yes | Kong's own settings |
| `gateway.rate_limit_service` | of an Envoy of your own | refused |
"""
TITLES: Mapping[str, str] = {
    "file": "The file",
    "keyauth_credentials": "consumers: keyauth_credentials",
    "jwt_secrets": "consumers: jwt_secrets",
    "basicauth_credentials": "consumers: basicauth_credentials",
    "mtls_auth_credentials": "consumers: mtls_auth_credentials",
    "acls": "consumers: acls",
}
PARTS: Mapping[str, Mapping[str, type[BaseModel]]] = {
    "upstreams": {
        "healthchecks": HealthChecks,
        "healthchecks.active": Active,
        "healthchecks.active.healthy": ActiveHealthy,
        "healthchecks.active.unhealthy": ActiveUnhealthy,
        "healthchecks.passive": Passive,
        "healthchecks.passive.healthy": PassiveHealthy,
        "healthchecks.passive.unhealthy": PassiveUnhealthy,
    },
    "consumers": {"groups": Membership},
    "gateway": {"tls": Tls, "log": Log, "rate_limit_service": RateLimitService},
}
"""What stands inside an entity of each kind."""
KINDS: Mapping[str, str] = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "mapping",
}


def page() -> str:
    """All of it."""
    kinds: dict[str, type[BaseModel]] = {**MODELS, "gateway": Gateway}
    sections = ["\n".join(section(kind, model)) for kind, model in kinds.items()]
    every = "\n".join(["## Every entity", "", *table(Entity, ())])
    sections.insert(1, every + "\n")
    return "\n".join([HEAD, *sections, "\n".join(unserved_section()), TAIL])


def section(kind: str, model: type[BaseModel]) -> Iterator[str]:
    """What there is of one kind, and of what stands inside it."""
    yield f"## {TITLES.get(kind, kind)}"
    yield from ("", _text(model.__doc__), "")
    yield from table(model, Entity.model_fields if issubclass(model, Entity) else ())
    for path, part in PARTS.get(kind, {}).items():
        yield from ("", f"### {kind}: {path}", "", _text(part.__doc__), "")
        yield from table(part, ())
    yield ""


def table(model: type[BaseModel], but: Mapping[str, object] | tuple[()]) -> Iterator[str]:
    """A row for each field, without those that every entity has."""
    schema = model.model_json_schema()
    yield from ("| field | type | default | |", "|---|---|---|---|")
    for name, field in model.model_fields.items():
        if name not in but:
            shown = field.alias or name
            words = _linked(shown) or kind_of(schema["properties"][shown], schema.get("$defs", {}))
            yield f"| `{shown}` | {words} | {default(field)} | {_text(field.description)} |"


def default(field: FieldInfo) -> str:
    """What holds where nothing is given; nothing where the field has to be there."""
    if field.is_required():
        return "required"
    value: Any = field.default
    if field.default_factory is not None or isinstance(value, BaseModel) or value in (None, [], (), {}):
        return ""
    shown = value if isinstance(value, str | Address) else json.dumps(value)
    return f"`{shown}`"


def kind_of(schema: Schema, parts: Schema) -> str:
    """A type in words."""
    if "$ref" in schema:
        return "mapping" if "properties" in parts[schema["$ref"].rpartition("/")[2]] else "text"
    if "anyOf" in schema:
        branches = (kind_of(one, parts) for one in schema["anyOf"] if one.get("type") != "null")
        found = list(dict.fromkeys(branches))
        return "reference" if found == ["text", "mapping"] else " or ".join(found)
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{one}`" for one in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list: {kind_of(schema.get('items', {}), parts)}"
    if schema.get("writeOnly"):
        return "secret"
    return KINDS.get(schema.get("type", ""), "anything") + _bounds(schema)


def unserved_section() -> Iterator[str]:
    """Fields of Kong's that are mistakes here."""
    yield from ("## Kong's fields that are not served", "")
    yield "Values that change nothing, which Kong and decK write out, are taken. Any other is a mistake; only what"
    yield from ("belongs to plugins that Kong alone has goes through `render kong` as it is written.", "")
    yield from ("| in | field | what to do |", "|---|---|---|")
    for kind, fields in FIELDS.items():
        yield from (f"| {TITLES.get(kind, kind)} | `{name}` | {one.remedy} |" for name, one in fields.items())
    yield ""


def _linked(name: str) -> str:
    title = TITLES.get(name, name).lower().replace(":", "").replace(" ", "-")
    return f"[list](#{title})" if name in MODELS else "[mapping](#gateway)" if name == "gateway" else ""


def _bounds(schema: Schema) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f", {schema['minimum']:,} to {schema['maximum']:,}"
    return f", {schema['minimum']:,} or more" if "minimum" in schema else ""


def _text(words: str | None) -> str:
    return " ".join((words or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
