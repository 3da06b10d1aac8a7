"""A running Envoy, as its admin interface describes it (`/config_dump?include_eds`)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from outrider.errors import OutriderError
from outrider_envoy.inspection.clusters import Cluster, clusters_of
from outrider_envoy.inspection.listeners import Listeners
from outrider_envoy.inspection.section import kind_of, number, part, parts
from outrider_envoy.render.plan import Section


@dataclass(frozen=True, slots=True)
class Envoy:
    """What it listens on, where it leads, its version as in `(1, 40)`, and its static layers of runtime values."""

    listeners: Listeners
    clusters: Mapping[str, Cluster]
    version: tuple[int, int]
    runtime: Section

    @classmethod
    def read(cls, dump: Section) -> "Envoy":
        """Raises `OutriderError` if it is no dump of an Envoy's."""
        sections = {kind_of(one): one for one in parts(dump, "configs")}
        if "BootstrapConfigDump" not in sections:
            raise OutriderError("its config_dump is no Envoy's: give the address of an Envoy's admin interface")
        bootstrap = part(sections["BootstrapConfigDump"], "bootstrap")
        return cls(Listeners.read(sections), clusters_of(sections), _version(bootstrap), _runtime(bootstrap))


def _version(bootstrap: Section) -> tuple[int, int]:
    version = part(bootstrap, "node", "user_agent_build_version", "version")
    return int(number(version, "major_number", 0)), int(number(version, "minor_number", 0))


def _runtime(bootstrap: Section) -> Section:
    """The static layers, a later one over an earlier one. Names with dots may be nested messages, too."""
    found: Section = {}
    for layer in parts(part(bootstrap, "layered_runtime"), "layers"):
        found |= dict(_flat(part(layer, "static_layer")))
    return found


def _flat(values: Section, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(cast("Section", value), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
