"""The library that compiles CEL, and what it says of an expression that is none."""

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any, Protocol

_MISTAKE = re.compile(r"ERROR: <input>:([0-9]+):([0-9]+): (?:Syntax error: )?([^\n]*)")
_NOISE = re.compile(r" \(in container ''\)| \[[A-Z_]+\]|^[A-Z_]+: ")
_UNKNOWN = re.compile(r"undeclared reference to '(\w+)(?:\.\w+)*'")

TYPES: Mapping[str, str] = {
    "request.method": "string",
    "request.path": "string",
    "request.query": "map<string,list<string>>",
    "request.headers": "map<string,string>",
    "request.host": "string",
    "request.port": "int",
    "request.scheme": "string",
    "request.client": "string",
    "request.id": "string",
    "request.time": "timestamp",
    "consumer.id": "dyn",
    "consumer.username": "dyn",
    "consumer.custom_id": "dyn",
    "consumer.groups": "list<string>",
    "consumer.acls": "list<string>",
    "consumer.tags": "list<string>",
    "credential": "dyn",
    "claims": "map<string,dyn>",
    "context": "map<string,dyn>",
    "route.name": "string",
    "route.service": "string",
    "route.tags": "list<string>",
}
"""What an expression can speak of. Each name is one variable, dot and all, so that a misspelt one is a mistake."""

_HAS = re.compile(rf"\bhas\(\s*({'|'.join(map(re.escape, TYPES))})\s*\)")


class Value(Protocol):
    """What an expression came to; an error that it ran into is one too."""

    def value(self) -> object: ...


class Program(Protocol):
    """An expression that is compiled."""

    def eval(self, activation: None, data: Mapping[str, object], /) -> Value: ...
    def return_type(self) -> object: ...
    def serialize(self) -> bytes: ...


def program(source: str) -> Program:
    """Compiles an expression that is true or false. Raises `ValueError` with the place of the mistake in it."""
    cel, environment = _environment()
    if found := _HAS.search(source):
        # The library takes it, for the variable itself.
        raise ValueError(f"asks has() about {found[1]}, which is always there: compare it with null or ''")
    try:
        compiled: Program = environment.compile(source)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(_told(str(error))) from None
    if (kind := compiled.return_type()) not in (cel.Type.BOOL, cel.Type.DYN):
        raise ValueError(f"is of the type {str(kind).lower()}: write an expression that is true or false")
    return compiled


def is_pattern(pattern: str) -> bool:
    """Whether `matches` takes it as a regular expression."""
    _, environment = _environment()
    tried: Program = environment.compile("''.matches(route.name)")
    return isinstance(tried.eval(None, {"route.name": pattern}).value(), bool)


@cache
def _environment() -> tuple[Any, Any]:
    try:
        cel: Any = import_module("cel_expr_python.cel")
    except ImportError:
        raise ValueError("is in CEL, which needs the package cel-expr-python: install outrider[policy]") from None
    # The version is that of the functions which docs/plugins/policy.md lists.
    extensions = [{"name": "strings", "version": 1}]
    variables = [{"name": name, "type": kind} for name, kind in TYPES.items()]
    settings = json.dumps({"extensions": extensions, "variables": variables})
    return cel, cel.NewEnv(config=cel.NewEnvConfigFromYaml(settings))


def _told(text: str) -> str:
    """The first mistake, with its place."""
    if (found := _MISTAKE.search(text)) is None:
        return f"can't be compiled: {_NOISE.sub('', text.splitlines()[0])[:200]}"
    line, column, what = found.groups()
    known = ""
    if (unknown := _UNKNOWN.match(what)) and (names := _members(unknown[1])):
        known = f" (there is {', '.join(names)})"
    return f"line {line}, column {column}: {_NOISE.sub('', what)[:200]}{known}"


def _members(name: str) -> list[str]:
    return [known for known in TYPES if known.startswith(f"{name}.")]
