"""The plugin server in a worker: what Kong's events run on."""

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from outrider.compiling import compile_chains
from outrider.config.instance import beside
from outrider.metrics import Metrics
from outrider.pressure import Pressure
from outrider.starting import Plugins
from outrider_cli.folder import Folder
from outrider_cli.loading import Loaded, Source
from outrider_kong.crashes import Crashes
from outrider_kong.instances import Instances, Made
from outrider_kong.register import Register
from outrider_kong.server import Server


def instances(
    source: Source, loaded: Loaded, folder: Folder, name: str, numbers: Path, metrics: Metrics
) -> Instances:
    """What Kong's ids stand for; `name` is the worker's own among those that share `folder`."""
    classes = source.classes()

    async def make(place: str, entries: Sequence[tuple[str, Mapping[str, Any]]]) -> Made:
        configuration = beside(loaded.configuration, place, entries, classes)
        plugins = Plugins(configuration, folder.shared, metrics, sees_endings=False)
        await plugins.start()
        (chain,) = compile_chains(configuration, metrics)
        return Made(chain, plugins.stop)

    register = Register(folder.path / "instances", numbers)
    return Instances(loaded.chains, classes, make, register, Crashes(folder.path / "crashes", name))


async def started(instances: Instances, metrics: Metrics, pressure: Pressure, descriptor: int) -> Server:
    """A server on a socket that the supervisor made."""
    server = Server(instances, metrics, pressure)
    await server.start(socket.socket(fileno=descriptor))
    return server
