"""Small OpenAPI documents for tests, and what openapi-validation says to requests by them."""

import json
from pathlib import Path
from typing import Any

from harness.outrider import Config, service
from harness.outrider import plugin as configured
from outrider import Headers, Request, Response
from outrider.testing import Outcome, run
from outrider_plugins.openapi_validation import OpenapiValidation

Json = dict[str, Any]
OK: Json = {"200": {"description": "done"}}


def document(paths: Json, *, version: str = "3.1.0", **more: Any) -> Json:
    """A document with these paths."""
    return {"openapi": version, "info": {"title": "t", "version": "1"}, "paths": paths, **more}


def operation(**fields: Any) -> Json:
    """An operation that answers with 200."""
    return {"responses": OK, **fields}


def taking(schema: Any, media: str = "application/json", **fields: Any) -> Json:
    """An operation with a body."""
    return operation(requestBody={"content": {media: {"schema": schema}}, "required": True}, **fields)


def plugin(folder: Path, described: Json, **config: Any) -> OpenapiValidation:
    """The plugin by a document that is written into the folder."""
    file = folder / "openapi.json"
    file.write_text(json.dumps(described))
    return OpenapiValidation(spec=file, **config)


def ask(
    validation: OpenapiValidation,
    method: str,
    target: str,
    body: bytes = b"",
    response: Response | None = None,
    **headers: Any,
) -> Outcome:
    """One request, with `_` for `-` in the names of headers."""
    fields = {name.replace("_", "-"): [value] if isinstance(value, str) else value for name, value in headers.items()}
    return run(validation, Request(method, target, headers=Headers.received(fields)), body, response=response)


def errors(outcome: Outcome) -> list[str]:
    """What downstream is told that does not fit, each as `in name pointer: message`."""
    told = json.loads(outcome.body).get("errors", [])
    return [
        " ".join(filter(None, (one["in"], one.get("name"), one.get("pointer")))) + f": {one['message']}"
        for one in told
    ]


def described(upstream: int, folder: Path, *, responses: bool) -> list[Config]:
    """Services whose requests, and if asked for responses, a document describes."""
    order = {"type": "object", "required": ["item"], "properties": {"item": {"type": "string"}}}
    number = {"type": "integer", "minimum": 1}
    answer = {"200": {"description": "done", "headers": {"x-total": {"required": True, "schema": number}}}}
    paths = {
        "/orders": {"post": taking(order)},
        "/orders/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": number}],
            "get": operation(parameters=[{"name": "limit", "in": "query", "schema": number}]),
        },
        "/answers": {"get": {"responses": answer}},
    }
    (folder / "described.json").write_text(json.dumps(document(paths)))
    spec: Json = {"spec": "described.json"}
    services = [
        service("described", upstream, configured("openapi-validation", base_path="/described", **spec)),
        service("reported", upstream, configured("openapi-validation", base_path="/reported", mode="report", **spec)),
    ]
    if responses:
        checked = configured("openapi-validation", base_path="/answered", responses=True, **spec)
        services.append(service("answered", upstream, checked))
    return services
