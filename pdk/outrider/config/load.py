"""Reads a configuration file, checks all of it, and builds what it says."""

import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from outrider.config.build import Entities
from outrider.config.configuration import Configuration
from outrider.config.document import Document, read
from outrider.config.downstream_tls import DownstreamTls, DownstreamTlsBuilder
from outrider.config.file_model import File
from outrider.config.fitness import unfit
from outrider.config.kongs_own import KongsList, KongsOwn
from outrider.config.mistake import ConfigError, Mistake
from outrider.config.plugins import PluginBuilder
from outrider.config.precedence import ScopedPlugin
from outrider.config.references import References
from outrider.config.rows import Rows
from outrider.config.secrets import Secrets
from outrider.config.where import Place, at
from outrider.discovery import together
from outrider.errors import OutriderError
from outrider.plugin import Plugin

Classes = Mapping[str, type[Plugin]]
Find = Callable[[Path], Classes]
"""Gives the plugins in one folder of plain files, by name."""


Also = Callable[[Configuration], Iterable[Mistake]]
"""Finds further mistakes in what could be built."""


def _find_nothing(_: Path) -> Classes:
    return {}


def _nothing(_: Configuration) -> Iterable[Mistake]:
    return ()


def load(
    path: Path, plugins: Classes, find: Find = _find_nothing, environ: Mapping[str, str] = os.environ
) -> Configuration:
    """What the file at `path` says. Raises `ConfigError` with every mistake in it.

    `plugins` are the installed ones by name; `find` gives those in one of the file's `plugin_dirs`.
    """
    return build(read(path), plugins, find, environ)


def build(
    document: Document,
    plugins: Classes,
    find: Find = _find_nothing,
    environ: Mapping[str, str] = os.environ,
    also: Also = _nothing,
) -> Configuration:
    """The same for a document that was read already; `also` adds what a gateway has against it."""
    secrets = Secrets(document, environ)
    rows = Rows(secrets)
    found = _PluginDirs(document, plugins, find)
    classes = found.classes(rows)
    references = References(rows, document)
    entities = Entities(rows, references, document)
    kongs = [name for file in _files(rows) for name in file.gateway.kong_plugins]
    tls = DownstreamTlsBuilder(rows, references, entities.destinations, document)
    builder = PluginBuilder(classes, references, secrets, complete=not found.mistakes, kongs=kongs, trust=tls.trust)
    scoped = sorted(builder.build(rows, entities), key=lambda one: one.line)
    parts = (secrets, rows, found, references, entities, tls, builder)
    mistakes = [mistake for part in parts for mistake in part.mistakes]
    own = _kongs_own(document, rows, entities, builder)
    configuration = _configuration(document, rows, entities, scoped, own, tls.found)
    if configuration is not None:
        objections = list(unfit(document.file, scoped, configuration.consumers))
        mistakes += objections or also(configuration)
    if configuration is None or mistakes:
        raise ConfigError(secrets.public(mistake) for mistake in mistakes)
    return configuration


def _configuration(
    document: Document,
    rows: Rows,
    entities: Entities,
    scoped: Iterable[ScopedPlugin],
    own: KongsOwn,
    tls: DownstreamTls | None,
) -> Configuration | None:
    """All that could be built; None if the file's outermost part is wrong."""
    top = next(_files(rows), None)
    if top is None:
        return None
    return Configuration(
        gateway=top.gateway,
        services=entities.enabled_services(),
        routes=entities.enabled_routes(),
        consumers=entities.everybody(),
        groups=tuple(entities.groups.values()),
        plugins=tuple(scoped),
        document=document,
        kongs_own=own,
        upstreams=tuple(entities.destinations.upstreams.values()),
        certificates=tuple(entities.destinations.certificates.values()),
        authorities=tuple(entities.destinations.authorities.values()),
        tls=tls,
    )


def _kongs_own(document: Document, rows: Rows, entities: Entities, builder: PluginBuilder) -> KongsOwn:
    has_jwt = any(one.name == "jwt" for one in builder.kongs_own)
    owners = (row.owner for row in rows.of("jwt_secrets") if has_jwt and row.owner is not None)
    secrets = dict.fromkeys((*owner.place, "jwt_secrets") for owner in owners)
    return KongsOwn(
        tuple(builder.kongs_own),
        tuple(_lists(document, rows.kongs_own, entities)),
        tuple(_lists(document, secrets, entities)),
    )


def _lists(document: Document, places: Iterable[Place], entities: Entities) -> Iterator[KongsList]:
    for place in places:
        consumer = entities.consumers.get(place[:-1])
        yield KongsList(str(place[-1]), place, at(document.data, place), consumer.id if consumer else None)


def _files(rows: Rows) -> Iterator[File]:
    return (row.model for row in rows.of("file") if isinstance(row.model, File))


def _is_one(installed: type[Plugin], found: type[Plugin]) -> bool:
    """Whether two classes are one in one file: its package is installed as editable, and its folder is named too."""
    same_name = installed.__qualname__ == found.__qualname__
    return installed is found or (same_name and inspect.getfile(installed) == inspect.getfile(found))


class _PluginDirs:
    """The installed plugins together with those in the file's own folders."""

    def __init__(self, document: Document, installed: Classes, find: Find) -> None:
        self.mistakes: list[Mistake] = []
        self._document, self._installed, self._find = document, installed, find

    def classes(self, rows: Rows) -> Classes:
        in_folders: dict[str, type[Plugin]] = {}
        known = together(in_folders, self._installed)
        for file in _files(rows):
            for index, folder in enumerate(file.gateway.plugin_dirs):
                for name, cls in self._in_folder(folder, index).items():
                    if name in known and not _is_one(known[name], cls):
                        self._add(index, f"has a second plugin called {name}", "give its class another name")
                    in_folders[name] = cls
        return known

    def _in_folder(self, folder: Path, index: int) -> Classes:
        try:
            return self._find(folder)
        except OutriderError as error:
            what, _, remedy = str(error).partition(": ")
            self._add(index, what, remedy or "mend the plugin")
            return {}

    def _add(self, index: int, what: str, remedy: str) -> None:
        self.mistakes.append(self._document.mistake(("gateway", "plugin_dirs", index), what, remedy))
