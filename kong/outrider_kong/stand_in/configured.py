"""One configuration of a plugin, checked, and as the plugin server gets it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from outrider_kong.stand_in.declarative import WORKSPACE
from outrider_kong.stand_in.entities import PluginEntry
from outrider_kong.stand_in.values import json_bytes


@dataclass(frozen=True)
class Configured:
    """A plugin's entry with its config as the schema completed it; `sequence` tells it from what it was before."""

    entry: PluginEntry
    config: Mapping[str, Any] = field(hash=False)
    sequence: int

    @property
    def id(self) -> str:
        return self.entry.id

    def json(self) -> bytes:
        """What StartInstance carries: every field, null where it is absent, and what Kong adds."""
        entry = self.entry
        scope = [entry.route or "", entry.service or "", entry.consumer or "", "", WORKSPACE]
        added = {
            "route_id": entry.route,
            "service_id": entry.service,
            "consumer_id": entry.consumer,
            "plugin_instance_name": entry.table.get("instance_name"),
            "__plugin_id": entry.id,
            "__ws_id": WORKSPACE,
            "__key__": ":".join(["plugins", entry.plugin, *scope]),
            "__seq__": self.sequence,
        }
        return json_bytes({**self.config, **{key: value for key, value in added.items() if value is not None}})
