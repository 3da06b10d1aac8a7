"""The configuration of an Envoy that takes over a changed file while it runs: a bootstrap, and files that it watches.

Routes and clusters are in files that are replaced in one step. The listener is in one, too, but a connection keeps
the listener that it came in by: what must hold at once for every request is said by the routes.
"""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from outrider_envoy.render.bootstrap import around
from outrider_envoy.render.clusters import clusters
from outrider_envoy.render.endpoints import watched_assignments
from outrider_envoy.render.filters import EXT_AUTHZ, EXT_PROC, grpc_service
from outrider_envoy.render.listener import IDENTITY, identity_mutations
from outrider_envoy.render.plan import Plan, Section, typed
from outrider_envoy.render.routes import route_configuration
from outrider_envoy.render.tls_listener import listeners

_ASSIGNMENT = "envoy.config.endpoint.v3.ClusterLoadAssignment"
_ROUTES = "envoy.config.route.v3.RouteConfiguration"
CLUSTERS = "clusters.json"
_CLUSTER = "envoy.config.cluster.v3.Cluster"
_LISTENER = "envoy.config.listener.v3.Listener"


class Watched(NamedTuple):
    """A file that Envoy watches, and the prefix of what it tells of that; empty for one that is not waited for."""

    name: str
    stats: str
    document: Section

    @property
    def version(self) -> str:
        """What Envoy says it has once it has taken the file over."""
        return str(self.document["version_info"])


def joined(old: Section, new: Section) -> Section:
    """The resources of a new file, and those of an old one that have other names."""
    names = {one["name"] for one in new["resources"]}
    return _versioned([*new["resources"], *(one for one in old["resources"] if one["name"] not in names)])


def live_bootstrap(plan: Plan) -> Section:
    """The bootstrap of an Envoy that reads all else from the plan's folder. Raises `ConfigError`."""
    folder = _folder(plan)
    return around(
        plan,
        node={"id": "outrider", "cluster": "outrider"},
        dynamic_resources={
            "cds_config": _file(folder / CLUSTERS),
            "lds_config": _file(folder / "listeners.json"),
        },
    )


def watched(plan: Plan) -> Iterator[Watched]:
    """The files, in the order in which they have to be replaced: what names something comes after it."""
    assignments = list(watched_assignments(plan))
    # A cluster reads its file when it comes, so the file is there before.
    for name, assignment in assignments:
        yield Watched(name, "", _discovered(_ASSIGNMENT, [assignment]))
    yield Watched(CLUSTERS, "cluster_manager.cds", _discovered(_CLUSTER, clusters(plan)))
    yield Watched("listeners.json", "listener_manager.lds", _discovered(_LISTENER, listeners(plan)))
    yield Watched("routes.json", "http.outrider.rds.outrider", _discovered(_ROUTES, [_routes(plan)]))


def _file(path: Path) -> Section:
    """A file that Envoy reads again whenever another one is moved to its place."""
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def _routes(plan: Plan) -> Section:
    """All routes at once go over to other workers, with what these need of Envoy."""
    to_workers = {"grpc_service": grpc_service(plan)}
    filters = {
        "ext_proc": (EXT_PROC, "ext_proc.v3.ExtProcPerRoute", {"overrides": to_workers}),
        "ext_authz": (EXT_AUTHZ, "ext_authz.v3.ExtAuthzPerRoute", {"check_settings": to_workers}),
    }
    name, kind, fields = filters[plan.configuration.gateway.protocol]
    return {
        **route_configuration(plan),
        "typed_per_filter_config": {
            name: typed(f"envoy.extensions.filters.http.{kind}", **fields),
            IDENTITY: identity_mutations(plan),
        },
    }


def _discovered(kind: str, resources: list[Section]) -> Section:
    return _versioned([typed(kind, **resource) for resource in resources])


def _versioned(resources: list[Section]) -> Section:
    written = json.dumps(resources, sort_keys=True).encode()
    return {"version_info": sha256(written).hexdigest()[:16], "resources": resources}


def _folder(plan: Plan) -> Path:
    assert plan.folder is not None  # noqa: S101 - only a gateway that runs is live
    return plan.folder
