"""What a file says that is allowed, and still worth a word."""

import inspect
from collections.abc import Iterator, Sequence

from outrider import Auth, Plugin
from outrider.config import Configuration, Route
from outrider.config.precedence import Candidates, ScopedPlugin
from outrider_cli import certificate_doubts, kongs_hashes, rate_limit_service_doubts, routing_doubts
from outrider_envoy.kongs_own import refused


def doubts(configuration: Configuration) -> list[str]:
    """One line for each, with file and line."""
    judges = (
        _kongs_own,
        _let_through,
        _uncounted,
        _strangers,
        _unverified,
        certificate_doubts.doubts,
        kongs_hashes.doubts,
        rate_limit_service_doubts.doubts,
        routing_doubts.doubts,
    )
    found = (line for judge in judges for line in judge(configuration))
    return list(dict.fromkeys(f"{configuration.document.file}:{line}" for line in found))


def _let_through(configuration: Configuration) -> Iterator[str]:
    for one in configuration.plugins:
        if one.plugin.on_error == "continue" and _can_refuse(one.plugin):
            yield _line(
                one,
                "on_error is continue, so a request that it would refuse gets through when it fails: set it to deny",
            )


def _uncounted(configuration: Configuration) -> Iterator[str]:
    """What plugins that count let through on purpose."""
    for one in configuration.plugins:
        if getattr(one.plugin, "dry_run", False):
            yield _line(one, "dry_run is true, so it refuses nobody: remove it when the figures are right")
        elif getattr(one.plugin, "on_storage_error", "deny") == "allow":
            yield _line(one, "on_storage_error is allow, so what can't be counted gets through: set it to deny")


def _kongs_own(configuration: Configuration) -> Iterator[str]:
    """What only Kong can do; every command for Envoy refuses it."""
    for found in refused(configuration):
        yield f"{found.line}: {found.where}: warning: {found.what}: {found.remedy}"


def _strangers(configuration: Configuration) -> Iterator[str]:
    """What the plugins of one route that find out who calls mean together (docs/combining.md)."""
    for route in configuration.routes:
        plugins = [one for some in configuration.plugins_for(route) if (one := _for_everybody(some)) is not None]
        auths = [(one, one.plugin.anonymous) for one in plugins if isinstance(one.plugin, Auth)]
        yield from _differing(route.name, auths)
        if not auths:
            words = f"on the route {route.name} no plugin finds out who calls, so everybody gets 401"
            remedy = _late(configuration, route) or "add one that does"
            yield from (_line(one, f"{words}: {remedy}") for one in plugins if one.name == "acl")


def _late(configuration: Configuration, route: Route) -> str | None:
    """What to write for one of Kong's own that finds out who calls, behind all of ours."""
    kongs = (one for one in configuration.kongs_own.plugins if one.finds_consumers)
    found = next((one for one in kongs if one.runs_on(route.service.name, route.name)), None)
    return found and f"Kong's {found.name} runs behind it, so {found.remedy}"


def _unverified(configuration: Configuration) -> Iterator[str]:
    """Upstreams that may be anybody: Kong's default, which nobody has to have chosen."""
    for service in configuration.services:
        if service.has_tls and service.tls_verify is None:
            what = "upstream's certificate is not checked, so anybody may answer in its place"
            yield f"{service.line}: service {service.name}: warning: {what}: set tls_verify to true, or to false"


def _differing(route: str, auths: Sequence[tuple[ScopedPlugin, str | None]]) -> Iterator[str]:
    if len({anonymous for _, anonymous in auths}) < 2:
        return
    if any(anonymous is None for _, anonymous in auths):
        what = "has anonymous, and another one has not: that one decides alone"
    else:
        what = "has another anonymous consumer than the one before: strangers are the last one's"
    lenient = [one for one, anonymous in auths if anonymous is not None]
    last = min(lenient, key=lambda one: one.plugin.priority)
    yield _line(last, f"on the route {route} it {what}: give all of them the same, or none")


def _for_everybody(candidates: Candidates) -> ScopedPlugin | None:
    """The one of a plugin's configurations that runs as long as no consumer is known."""
    return next((one for one in candidates.entries if one.consumer is None and one.group is None), None)


def _can_refuse(plugin: Plugin) -> bool:
    """Whether a hook may reply to a request; one that says `-> None` can't."""
    hooks = {"on_request", "on_request_body"} & plugin.hooks()
    return any(inspect.signature(getattr(plugin, hook)).return_annotation not in (None, "None") for hook in hooks)


def _line(one: ScopedPlugin, words: str) -> str:
    return f"{one.line}: plugin {one.name}: warning: {words}"
