"""What the query command prints: how Kong learns of a plugin before it starts."""

import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from outrider.errors import OutriderError
from outrider.plugin import Plugin
from outrider_kong.names import CHAINS, PREFIX, phases_alone
from outrider_kong.schema import chain_schema, plugin_schema

CHAIN_PRIORITY = 3000
"""The place of a chain among Kong's own plugins: before those that authenticate, limit and change requests."""


def info(name: str, classes: Mapping[str, type[Plugin]]) -> dict[str, Any]:
    """What Kong is told of the plugin that it calls `name`. Raises `OutriderError` if there is none."""
    if name in CHAINS:
        return _told(name, CHAINS[name], CHAIN_PRIORITY, chain_schema(classes, name))
    cls = classes.get(name.removeprefix(PREFIX))
    if cls is None or not name.startswith(PREFIX):
        known = ", ".join((*CHAINS, *(PREFIX + plugin for plugin in sorted(classes))))
        raise OutriderError(f"no plugin is called {name!r} in Kong: the names are {known}")
    return _told(name, phases_alone(cls), cls.priority, plugin_schema(name.removeprefix(PREFIX), cls, name))


def _told(name: str, phases: tuple[str, ...], priority: int, schema: dict[str, Any]) -> dict[str, Any]:
    plugin = {
        "Name": name,
        "Phases": list(phases),
        "Version": _version(),
        "Priority": priority,
        "Schema": schema,
    }
    return {"Protocol": "ProtoBuf:1", "Plugins": [plugin]}


def _version() -> str:
    """As Kong takes one: three numbers, without what stands behind them."""
    found = re.match(r"\d+\.\d+\.\d+", version("outrider"))
    return found[0] if found else "0.0.0"
