"""The whole bootstrap of an Envoy that `outrider run` starts."""

from outrider.config import ConfigError
from outrider_envoy.capabilities import unasked
from outrider_envoy.render.clusters import clusters
from outrider_envoy.render.listener import listener
from outrider_envoy.render.plan import Plan, Section, typed

__all__ = ["Plan", "bootstrap"]

CONNECTION_LIMIT = 50_000
"""How many connections Envoy holds from downstream; it closes further ones at once."""


def bootstrap(plan: Plan) -> Section:
    """Envoy's bootstrap in the JSON form of `envoy.config.bootstrap.v3.Bootstrap`.

    Raises `ConfigError` if the file has what this Envoy would ask nobody for.
    """
    if mistakes := list(unasked(plan.configuration)):
        raise ConfigError(mistakes)
    document: Section = {
        "static_resources": {"listeners": [listener(plan)], "clusters": clusters(plan)},
        "overload_manager": _overload(),
    }
    if plan.admin is not None:
        # A socket in a private folder: the admin interface can stop Envoy and show its whole configuration.
        document["admin"] = {"address": {"pipe": {"path": str(plan.admin), "mode": 0o600}}}
    return document


def _overload() -> Section:
    monitor = "envoy.resource_monitors.global_downstream_max_connections"
    kind = "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
    limit = typed(kind, max_active_downstream_connections=CONNECTION_LIMIT)
    return {"resource_monitors": [{"name": monitor, "typed_config": limit}]}
