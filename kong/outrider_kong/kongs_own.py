"""What goes wrong where plugins of Kong's own stand beside ours, whose chain runs before their authentication."""

from collections.abc import Iterator, Sequence
from typing import cast

from outrider.config import Configuration, Mistake, ScopedPlugin
from outrider.config.document import REFERENCE
from outrider.config.kongs_own import KongsPlugin


def unsupported_beside(configuration: Configuration) -> Iterator[Mistake]:
    """One mistake for each plugin that would not run, and for each secret that would be none."""
    yield from _for_groups(configuration)
    yield from _for_consumers(configuration)
    yield from _references(configuration)


def _for_groups(configuration: Configuration) -> Iterator[Mistake]:
    for one in configuration.kongs_own.plugins:
        if one.group is not None:
            what = f"is for a group, and what is rendered has none: {one.name} would not run"
            yield configuration.document.mistake(
                (*one.place, "name"), what, "put it on each of the group's consumers"
            )


def _for_consumers(configuration: Configuration) -> Iterator[Mistake]:
    kongs = [one for one in configuration.kongs_own.plugins if one.finds_consumers]
    for ours in configuration.plugins:
        found = next((one for one in kongs if _meet(configuration, ours, one)), None)
        if found is not None and (ours.consumer or ours.group):
            what = f"would not run, since Kong's {found.name} finds out who calls only behind it"
            where = f"plugin {ours.name}"
            yield Mistake(configuration.document.file, ours.line, where, what, found.remedy)


def _meet(configuration: Configuration, ours: ScopedPlugin, kongs: KongsPlugin) -> bool:
    return any(
        kongs.runs_on(route.service.name, route.name)
        and ours.service in (None, route.service.name)
        and ours.route in (None, route.name)
        for route in configuration.routes
    )


def _references(configuration: Configuration) -> Iterator[Mistake]:
    for found in configuration.kongs_own.jwt_secrets:
        for index, entity in enumerate(cast("Sequence[object]", found.items)):
            if REFERENCE in str(entity):
                what = "has a reference, and Kong's jwt would take its words for the secret itself"
                yield configuration.document.mistake((*found.place, index), what, "write jwt-auth in place of jwt")
