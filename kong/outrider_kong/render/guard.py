"""What makes Kong refuse what kong-pdk fails to check: Kong itself lets it on (kong.md, "MsgPack:1")."""

import re
from importlib.resources import files

from outrider_kong.names import phases_of
from outrider_kong.render.plan import Plan

_NAME = re.compile(r"[\w.~-]+")  # neither a quote nor a backslash
_ROUTES = "--ROUTES\n"


def before(plan: Plan) -> list[str]:
    """Functions before all plugins: they refuse what kong-pdk can't read."""
    return _guard("guard_bytes", plan.guarded)


def behind(plan: Plan) -> list[str]:
    """Functions behind all plugins: they refuse requests that went by one of ours."""
    return _guard("guard", plan.guarded)


def on_response(plan: Plan) -> list[str]:
    """Functions at the response: they refuse those that went by one of ours."""
    hooked = {
        route: name for route, name in plan.guarded.items() if "response" in phases_of(plan.chains[route].hooks)
    }
    return _guard("guard_response", hooked)


def _guard(name: str, plugins: dict[str, str]) -> list[str]:
    if not plugins:
        return []
    lua = (files(__package__ or "") / f"{name}.lua").read_text(encoding="utf-8")
    rows = "".join(f'  ["{_checked(route)}"] = "{plugin}",\n' for route, plugin in sorted(plugins.items()))
    return [lua.replace(_ROUTES, rows)]


def _checked(route: str) -> str:
    if not _NAME.fullmatch(route):
        raise ValueError(f"{route!r} is no route's name")
    return route
