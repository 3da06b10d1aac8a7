"""What a file has that only Kong can do: refused for Envoy, or left out, and then what it guards is refused."""

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from outrider import Plugin, Refusal, Request
from outrider.config import Configuration, Mistake, Route, ScopedPlugin
from outrider.config.kongs_own import KongsOwn, KongsPlugin

_LENIENT = "or leave it out with --lenient"


def refused(configuration: Configuration) -> Iterator[Mistake]:
    """One mistake for each plugin and list that only Kong has."""
    own, mistake = configuration.kongs_own, configuration.document.mistake
    for one in own.plugins:
        yield mistake((*one.place, "name"), f"is Kong's own, and Envoy has no {one.name}", _remedy(one))
    for found in own.lists:
        yield mistake(found.place, "belongs to plugins that only Kong has", f"remove it, {_LENIENT}")


def irreplaceable(configuration: Configuration) -> Iterator[Mistake]:
    """What can't be left out either: without it somebody could do more, and no route to leave out is to blame."""
    for one in configuration.kongs_own.plugins:
        if one.guards and (one.consumer or one.group):
            what = f"{one.name} is Kong's own, and without it its consumers could do more"
            yield configuration.document.mistake((*one.place, "name"), what, one.remedy)


class LeftOut(Plugin):
    """Refuses every request of a route whose guard was left out: without the route, a wider one would take them."""

    priority: ClassVar[int] = 1_000_000

    def on_request(self, _: Request, /) -> Refusal:
        return Refusal(503, "The service is not available here")


def left_out(configuration: Configuration) -> tuple[Configuration, list[str]]:
    """The configuration without them, whose routes refuse what they would guard; and a line for each."""
    document = configuration.document
    guards = [one for one in configuration.kongs_own.plugins if one.guards]
    guarded = {route.name: guard for route in configuration.routes if (guard := _guard(route, guards))}
    lines = [f"{one.file}:{one.line}: {one.where}: left out, since it {one.what}" for one in refused(configuration)]
    for name, guard in guarded.items():
        why = f"answers 503, since nothing would guard it without {guard.name}"
        lines.append(f"{document.file}:{document.line(guard.place)}: route {name}: {why}")
    refusing = (ScopedPlugin("left-out", LeftOut(), route=name) for name in guarded)
    kept = replace(configuration, plugins=(*configuration.plugins, *refusing), kongs_own=KongsOwn())
    return kept, lines


def _remedy(one: KongsPlugin) -> str:
    if one.guards and (one.consumer or one.group):
        return one.remedy
    return f"{one.remedy}, {_LENIENT}{', and its routes answer 503' * one.guards}"


def _guard(route: Route, guards: list[KongsPlugin]) -> KongsPlugin | None:
    return next((one for one in guards if one.runs_on(route.service.name, route.name)), None)
