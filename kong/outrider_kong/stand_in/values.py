"""Lua's values in Python: bytes for strings, dict and list for tables, None for nil."""

import json
from typing import Any, TypeGuard

# Whatever Lua holds. Functions check what they are given, as Lua's do.
Value = Any


class Array(list[Value]):
    """A list that stays `[]` in JSON when it is empty; every other empty table becomes `{}`."""


def is_table(value: Value) -> TypeGuard[dict[Any, Value]]:
    """A Lua table with keys."""
    return isinstance(value, dict)


def is_list(value: Value) -> TypeGuard[list[Value]]:
    """A Lua table whose keys are 1, 2, 3, ..."""
    return isinstance(value, list)


def get(table: Value, key: bytes) -> Value:
    """A field of what may be no table at all."""
    return table.get(key) if is_table(table) else None


def lua(value: Value) -> Value:
    """A value of YAML or JSON as Lua has it: text as bytes, also in tables."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if is_table(value):
        return {lua(key): lua(item) for key, item in value.items()}
    if is_list(value):
        return [lua(item) for item in value]
    return value


def text(value: Value) -> Value:
    """The way back; bytes that are not UTF-8 survive as surrogates."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if is_table(value):
        return {text(key): text(item) for key, item in value.items()}
    if is_list(value):
        items = [text(item) for item in value]
        return items if items or isinstance(value, Array) else {}
    return value


def json_bytes(value: Value) -> bytes:
    """JSON as Kong's encoder writes it: no spaces, bytes as they are, an empty table as `{}`."""
    return json.dumps(text(value), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape")


def number(value: float) -> int | float:
    """A Lua number prints without a fraction where it has none."""
    return int(value) if float(value).is_integer() else value
