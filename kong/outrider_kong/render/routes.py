"""Kong's routes."""

from outrider.config import Route
from outrider.plain_path import plain_path
from outrider_kong.render.fields import without_nothing
from outrider_kong.render.plan import Plan, Section


def route_entity(plan: Plan, route: Route) -> Section:
    """A route, with the plugin that runs its chain. What Kong takes for granted is left out."""
    chain = plan.chain_name(route.name)
    return without_nothing(
        name=route.name,
        id=route.id,
        # Kong compares a path once most of its escapes are resolved.
        paths=[path if path.startswith("~") else plain_path(path) for path in route.paths],
        hosts=list(route.hosts),
        methods=list(route.methods),
        headers={name: list(values) for name, values in route.headers} or None,
        snis=list(route.snis),
        protocols=list(route.protocols),
        https_redirect_status_code=_unless(426, route.https_redirect_status_code),
        regex_priority=_unless(0, route.regex_priority),
        strip_path=route.strip_path,
        preserve_host=route.preserve_host,
        request_buffering=None if route.request_buffering else False,
        response_buffering=None if route.response_buffering else False,
        tags=list(route.tags),
        plugins=[{"name": chain, "config": {"route": route.name}}] if chain else None,
    )


def _unless(usual: object, value: object) -> object:
    return None if value == usual else value
