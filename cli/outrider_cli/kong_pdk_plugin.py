"""What a module that `outrider render kong --pdk` wrote consists of, once kong-pdk loads it."""

import atexit
import os
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from outrider import logs
from outrider.metrics import Metrics
from outrider.starting import Plugins
from outrider_cli import kong_worker
from outrider_cli.folder import Folder, private_folder
from outrider_cli.loading import Source
from outrider_kong.info import info
from outrider_kong.instances import Instances
from outrider_kong.pdk import Workers, number_on, plugin_class

Schema = list[dict[str, Any]]


def plugin(file: str, name: str) -> tuple[type, Schema, str, int]:
    """`Plugin`, `Schema`, `version` and `priority` of the module `name`, for the plugins of FILE.

    Raises `OutriderError` for a name or a FILE that is wrong.
    """
    number_on()
    source = _source(Path(file))
    (told,) = info(name, source.classes())["Plugins"]
    (config,) = (field["config"] for field in told["Schema"]["fields"] if "config" in field)
    made = plugin_class(name, told["Phases"], _workers(Path(file)))
    return made, config["fields"], told["Version"], told["Priority"]


@cache
def _source(path: Path) -> Source:
    """Read and checked once, before kong-pdk's pool forks."""
    source = Source.read(path, "kong")
    # Raises for what Kong can't serve.
    source.load()
    return source


@cache
def _workers(path: Path) -> Workers:
    """The processes of one server count in one folder, so it is made before the first of them."""
    source = _source(path)
    closing = ExitStack()
    folder = closing.enter_context(private_folder())
    owner = os.getpid()
    atexit.register(lambda: closing.close() if os.getpid() == owner else None)

    async def make() -> Instances:
        return await _instances(source, folder)

    return Workers(make)


async def _instances(source: Source, folder: Folder) -> Instances:
    """What the events of one process run on."""
    metrics = Metrics(slots=1 << 16)
    loaded = source.load(metrics)
    log = loaded.configuration.gateway.log
    logs.configure(log.level, log.format)
    await Plugins(loaded.configuration, folder.shared, metrics).start()
    return kong_worker.instances(source, loaded, folder, f"pdk-{os.getpid()}", folder.path / "ids", metrics)
