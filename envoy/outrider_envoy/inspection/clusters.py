"""The clusters of an Envoy, with the endpoints that it knows now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from outrider_envoy.inspection.section import part, parts, text
from outrider_envoy.render.plan import Section


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster, and how many addresses it leads to."""

    name: str
    config: Section
    endpoints: int


def clusters_of(dump: Mapping[str, Section]) -> dict[str, Cluster]:
    """All that are in use, by name."""
    assigned = {text(one, "cluster_name"): one for one in _assignments(dump.get("EndpointsConfigDump", {}))}
    found = (_cluster(one, assigned) for one in _clusters(dump.get("ClustersConfigDump", {})))
    return {one.name: one for one in found}


def _clusters(dump: Section) -> Iterator[Section]:
    for field in ("static_clusters", "dynamic_active_clusters"):
        yield from (part(row, "cluster") for row in parts(dump, field))


def _assignments(dump: Section) -> Iterator[Section]:
    for field in ("static_endpoint_configs", "dynamic_endpoint_configs"):
        yield from (part(row, "endpoint_config") for row in parts(dump, field))


def _cluster(config: Section, assigned: Mapping[str, Section]) -> Cluster:
    name = text(config, "name")
    known = text(part(config, "eds_cluster_config"), "service_name") or name
    endpoints = assigned.get(known) or part(config, "load_assignment")
    return Cluster(name, config, len(set(_addresses(endpoints))))


def _addresses(assignment: Section) -> Iterator[str]:
    for group in parts(assignment, "endpoints"):
        for endpoint in parts(group, "lb_endpoints"):
            yield repr(part(endpoint, "endpoint", "address"))
