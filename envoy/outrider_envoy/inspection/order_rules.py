"""What stands before and behind a filter that asks the workers."""

from collections.abc import Iterator
from typing import Final

from outrider_envoy.inspection.askers import Asker, cluster_of, service_of
from outrider_envoy.inspection.finding import Rule, Words, mistake, warning
from outrider_envoy.inspection.guard import guard_of, guards
from outrider_envoy.inspection.listeners import Filter
from outrider_envoy.inspection.section import part, parts, says, text
from outrider_envoy.render.plan import Section

_PROGRAMS = ("lua", "wasm", "golang", "dynamic_modules", "ext_proc")
_CACHE = "filters.http.cache"
_TARGET = (":path", ":method", ":authority", "host")


def no_guard(asker: Asker) -> Words:
    if guard_of(asker) is not None:
        return
    name = asker.filter.name
    remedy = f"put the rbac filter of render envoy --filters right behind {name}"
    if guards(asker):
        yield mistake(f"the filter that asks for the mark of a decision stands before {name}", remedy)
    else:
        yield mistake("requests that no plugin decided on pass, as no filter asks for the mark", remedy)


def cached_replies(asker: Asker) -> Words:
    for one in asker.before:
        if f".{_CACHE}" in text(one.config, "@type"):
            yield mistake(
                f"the filter {one.name} before {asker.filter.name} answers out of its cache, and no plugin runs",
                "put it behind the guard",
            )


def route_chosen_anew(asker: Asker) -> Words:
    for one in asker.behind:
        if says(one.config, "clear_route_cache", value=True) or says(one.config, "route_cache_action", value="CLEAR"):
            yield mistake(
                f"the filter {one.name} behind {asker.filter.name} makes requests choose their route anew",
                "put it before, or take clear_route_cache away",
            )


def other_target(asker: Asker) -> Words:
    """What upstream gets is not what the plugins saw."""
    for one in asker.behind:
        if _is_transcoder(one) or any(_changes_target(config) for config in _configs(asker, one)):
            yield mistake(
                f"the filter {one.name} behind {asker.filter.name} changes the path, the host or the method",
                "put it before",
            )


def programs(asker: Asker) -> Words:
    for one in asker.behind:
        if any(f".{program}." in text(one.config, "@type") for program in _PROGRAMS) and not _is_ours(asker, one):
            yield warning(
                f"the filter {one.name} behind {asker.filter.name} may change what the plugins have judged",
                "put it before, if it changes the path, the host or headers",
            )


RULES: Final[tuple[Rule[Asker], ...]] = (no_guard, cached_replies, route_chosen_anew, other_target, programs)


def _is_ours(asker: Asker, one: Filter) -> bool:
    return bool(asker.cluster) and cluster_of(service_of(one)) == asker.cluster


def _is_transcoder(one: Filter) -> bool:
    return one.kind == "GrpcJsonTranscoder"


def _configs(asker: Asker, one: Filter) -> Iterator[Section]:
    """What the filter and all routes say to it."""
    yield one.config
    for route in asker.manager.routes:
        yield from (level.config for level in route.overrides(one.name))


def _changes_target(config: Section) -> bool:
    mutations = parts(part(config, "mutations"), "request_mutations")
    return any(text(part(one, "append", "header"), "key").lower() in _TARGET for one in mutations)
