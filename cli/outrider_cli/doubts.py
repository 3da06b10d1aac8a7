"""What a file says that is allowed, and still worth a word."""

import inspect
from collections.abc import Iterator, Sequence

from outrider import Auth, Plugin
from outrider.config import Configuration
from outrider.config.precedence import ScopedPlugin


def doubts(configuration: Configuration) -> list[str]:
    """One line for each, with file and line."""
    found = [*_let_through(configuration), *_strangers(configuration)]
    return list(dict.fromkeys(f"{configuration.document.file}:{line}" for line in found))


def _let_through(configuration: Configuration) -> Iterator[str]:
    for one in configuration.plugins:
        if one.plugin.on_error == "continue" and _can_refuse(one.plugin):
            yield _line(
                one,
                "on_error is continue, so a request that it would refuse gets through when it fails: set it to deny",
            )


def _strangers(configuration: Configuration) -> Iterator[str]:
    """What the plugins of one route that find out who calls mean together (docs/combining.md)."""
    for route in configuration.routes:
        plugins = [one for some in configuration.plugins_for(route) for one in some.entries if _is_for_all(one)]
        auths = [one for one in plugins if isinstance(one.plugin, Auth)]
        if not auths:
            without = (one for one in plugins if one.name == "acl")
            yield from (
                _line(
                    one,
                    f"on the route {route.name} no plugin finds out who calls, so everybody gets 401: "
                    "add one that does, such as key-auth",
                )
                for one in without
            )
        yield from _differing(route.name, auths)


def _differing(route: str, auths: Sequence[ScopedPlugin]) -> Iterator[str]:
    named = {one.plugin.anonymous for one in auths if isinstance(one.plugin, Auth)}
    if len(named) < 2:
        return
    if None in named:
        what = "has anonymous, and another one has not: that one decides alone"
    else:
        what = "has another anonymous consumer than the one before: strangers are the last one's"
    strangers = [one for one in auths if isinstance(one.plugin, Auth) and one.plugin.anonymous is not None]
    yield _line(strangers[-1], f"on the route {route} it {what}: give all of them the same, or none")


def _is_for_all(one: ScopedPlugin) -> bool:
    return one.consumer is None and one.group is None


def _can_refuse(plugin: Plugin) -> bool:
    """Whether a hook may reply to a request; one that says `-> None` can't."""
    hooks = {"on_request", "on_request_body"} & plugin.hooks()
    return any(inspect.signature(getattr(plugin, hook)).return_annotation not in (None, "None") for hook in hooks)


def _line(one: ScopedPlugin, words: str) -> str:
    return f"{one.line}: plugin {one.name}: warning: {words}"
