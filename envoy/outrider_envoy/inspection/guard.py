"""The filter behind the plugins that lets only marked requests on, as an Envoy has it."""

from outrider_envoy.inspection.askers import Asker
from outrider_envoy.inspection.listeners import Filter
from outrider_envoy.inspection.passages import is_off
from outrider_envoy.inspection.routes import Route
from outrider_envoy.inspection.section import part, parts, text
from outrider_envoy.marks import DECIDED, NAMESPACE
from outrider_envoy.render.filters import EXT_AUTHZ
from outrider_envoy.render.plan import Section

_NAMESPACES = {"ext_proc": NAMESPACE, "ext_authz": EXT_AUTHZ}


def guards(asker: Asker) -> list[Filter]:
    """The RBAC filters of its manager that ask for its mark, wherever they stand."""
    return [one for one in asker.manager.filters if one.kind == "RBAC" and not one.may_skip and _asks(asker, one)]


def guard_of(asker: Asker) -> Filter | None:
    """The one that a request meets behind it."""
    return next((one for one in guards(asker) if any(one is each for each in asker.behind)), None)


def lets_pass(asker: Asker, guard: Filter, route: Route) -> bool:
    """Whether the guard asks for no mark on that route."""
    said = [level.config for level in route.overrides(guard.name) if level.config]
    return is_off(guard, route) or bool(said and not _demands(part(said[-1], "rbac"), _namespace(asker)))


def _asks(asker: Asker, one: Filter) -> bool:
    return _demands(one.config, _namespace(asker))


def _namespace(asker: Asker) -> str:
    return _NAMESPACES[asker.protocol]


def _demands(config: Section, namespace: str) -> bool:
    """Whether nothing without the mark is allowed: an RBAC filter without `rules` allows everything."""
    rules = part(config, "rules")
    policies = part(rules, "policies")
    if not rules or text(rules, "action") not in ("", "ALLOW"):
        return False
    return all(_needs_mark(part(policies, name), namespace) for name in policies)


def _needs_mark(policy: Section, namespace: str) -> bool:
    principals = [_is_mark(one, namespace, "and_ids", "ids") for one in parts(policy, "principals")]
    permissions = [_is_mark(one, namespace, "and_rules", "rules") for one in parts(policy, "permissions")]
    return any(found and all(found) for found in (principals, permissions))


def _is_mark(one: Section, namespace: str, every: str, field: str) -> bool:
    if any(_is_mark(each, namespace, every, field) for each in parts(part(one, every), field)):
        return True
    matcher = part(one, "sourced_metadata", "metadata_matcher") or part(one, "metadata")
    path = [text(segment, "key") for segment in parts(matcher, "path")]
    asked = text(matcher, "filter") == namespace and path == [DECIDED] and not matcher.get("invert")
    return asked and part(matcher, "value").get("bool_match") is True
