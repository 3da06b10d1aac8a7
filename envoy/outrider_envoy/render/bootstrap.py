"""The whole bootstrap of an Envoy that `outrider run` starts."""

from outrider.config import ConfigError
from outrider_envoy.capabilities import unasked
from outrider_envoy.render.clusters import clusters
from outrider_envoy.render.plan import Plan, Section, typed
from outrider_envoy.render.tls_listener import listeners

__all__ = ["Plan", "bootstrap"]

CONNECTION_LIMIT = 50_000
"""How many connections Envoy holds from downstream; it closes further ones at once."""


def bootstrap(plan: Plan) -> Section:
    """Envoy's bootstrap in the JSON form of `envoy.config.bootstrap.v3.Bootstrap`.

    Raises `ConfigError` if the file has what this Envoy would ask nobody for.
    """
    return around(plan, static_resources={"listeners": listeners(plan), "clusters": clusters(plan)})


def around(plan: Plan, **resources: Section) -> Section:
    """What is in a bootstrap beside the resources. Raises `ConfigError` as `bootstrap` does."""
    if mistakes := list(unasked(plan.configuration)):
        raise ConfigError(mistakes)
    document: Section = {**resources, "overload_manager": _overload(), "layered_runtime": _runtime()}
    if plan.admin is not None:
        # A socket in a private folder: the admin interface can stop Envoy and show its whole configuration.
        document["admin"] = {"address": {"pipe": {"path": str(plan.admin), "mode": 0o600}}}
    return document


def _runtime() -> Section:
    # Envoy's own limit is 100 steps, which a path of 60 letters has; the file's expressions are checked when read.
    layer = {"name": "outrider", "static_layer": {"re2.max_program_size.error_level": 1_000_000}}
    return {"layers": [layer]}


def _overload() -> Section:
    monitor = "envoy.resource_monitors.global_downstream_max_connections"
    kind = "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
    limit = typed(kind, max_active_downstream_connections=CONNECTION_LIMIT)
    return {"resource_monitors": [{"name": monitor, "typed_config": limit}]}
