"""kong.log: lines in Kong's error log, and the summary of a request that log plugins read."""

import logging
from collections.abc import Callable

from outrider_kong.stand_in.exchange import Exchange
from outrider_kong.stand_in.pdk.arguments import string
from outrider_kong.stand_in.pdk.registry import LuaError, offer
from outrider_kong.stand_in.pdk.summary import summary
from outrider_kong.stand_in.values import Value, is_table, json_bytes

LOG = logging.getLogger("kong")
LEVELS = {
    "alert": logging.CRITICAL,
    "crit": logging.CRITICAL,
    "err": logging.ERROR,
    "warn": logging.WARNING,
    "notice": logging.INFO,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}


def _line(level: int) -> Callable[..., Value]:
    def write(exchange: Exchange, *parts: Value) -> Value:
        text = b"".join(part if isinstance(part, bytes) else str(part).encode() for part in parts)
        LOG.log(level, "%s: %s", exchange.id, text.decode("utf-8", "backslashreplace"))

    return write


for _name, _level in LEVELS.items():
    offer(f"kong.log.{_name}", timer=True)(_line(_level))


@offer("kong.log.set_serialize_value", timer=True)
def set_serialize_value(exchange: Exchange, key: Value, value: Value) -> Value:
    exchange.log_values.append((string(key, "key"), value))


@offer("kong.log.serialize", frozenset({"log"}), timer=True)
def serialize(exchange: Exchange) -> Value:
    """For plugin servers Kong's binding encodes the table as JSON."""
    root = summary(exchange)
    for key, value in exchange.log_values:
        _insert(root, key.split(b"."), value)
    return json_bytes(root)


def _insert(table: dict[bytes, Value], path: list[bytes], value: Value) -> None:
    for key in path[:-1]:
        inner = table.setdefault(key, {})
        if not is_table(inner):
            raise LuaError(f"{b'.'.join(path)!r} can't be a serialize value: {key!r} is no table")
        table = inner
    table[path[-1]] = value
