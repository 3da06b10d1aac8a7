"""Plugins that a gateway hands over one by one, beside the file that has the consumers."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from outrider.config.build import Entities
from outrider.config.configuration import Configuration
from outrider.config.document import Document
from outrider.config.fitness import unfit
from outrider.config.mistake import ConfigError, Mistake
from outrider.config.plugins import PluginBuilder
from outrider.config.references import References
from outrider.config.rows import Rows
from outrider.config.secrets import Secrets
from outrider.plugin import Plugin


def beside(
    configuration: Configuration,
    name: str,
    plugins: Sequence[tuple[str, Mapping[str, Any]]],
    classes: Mapping[str, type[Plugin]],
    environ: Mapping[str, str] = os.environ,
) -> Configuration:
    """The configuration with these plugins, each a name and its fields, on one route in place of all that it had.

    Paths, references to secrets and consumers are those of the file. Raises `ConfigError`, in which the file's place
    has `name`.
    """
    entries = [{"name": plugin, "config": dict(fields)} for plugin, fields in plugins]
    service = {
        "name": name,
        "url": "http://127.0.0.1",
        "routes": [{"name": name, "paths": ["/"]}],
        "plugins": entries,
    }
    data = {"_format_version": "3.0", "services": [service]}
    document = Document(name, configuration.document.directory, data, {})
    secrets = Secrets(document, environ)
    rows = Rows(secrets)
    references = References(rows, document)
    entities = Entities(rows, references, document)
    builder = PluginBuilder(classes, references, secrets, consumers=_names(configuration))
    scoped = tuple(builder.build(rows, entities))
    mistakes = [mistake for part in (secrets, rows, references, entities, builder) for mistake in part.mistakes]
    mistakes += unfit(name, scoped, configuration.consumers)
    if mistakes:
        raise ConfigError(_short(secrets.public(mistake)) for mistake in mistakes)
    return replace(
        configuration,
        services=entities.enabled_services(),
        routes=entities.enabled_routes(),
        plugins=scoped,
        document=document,
    )


def _short(mistake: Mistake) -> Mistake:
    """Without the service that nobody wrote."""
    return replace(mistake, where=mistake.where.partition("].")[2] or mistake.where)


def _names(configuration: Configuration) -> frozenset[str]:
    everybody = configuration.consumers
    return frozenset(name for one in everybody for name in (one.username, one.id) if name is not None)
