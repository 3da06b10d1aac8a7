"""The plugin server's instances in this process, and Kong's side of a connection to them."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import yaml

from harness.chains import chain
from harness.kong_peer import KongPeer
from outrider import Plugin, discovery
from outrider.compiling import compile_chains
from outrider.config import build
from outrider.config.document import parse
from outrider.config.instance import beside
from outrider.metrics import Metrics
from outrider.plugin import plugin_name
from outrider.starting import Plugins
from outrider_kong.connection import Connection
from outrider_kong.crashes import Crashes
from outrider_kong.instances import Instances, Made
from outrider_kong.register import Register

Config = dict[str, Any]


_workers = (f"worker-{number}" for number in count())


def kong(folder: Path, *plugins: Plugin, name: str = "outrider-chain-response") -> KongPeer:
    """Kong with an instance of a chain of these plugins, in that order, in a worker of its own."""
    register = Register(folder / "instances", folder / "kong.ids")
    served = Instances({"orders": chain(*plugins)}, {}, _never, register, Crashes(folder / "crashes", next(_workers)))
    peer = KongPeer(lambda: Connection(served))
    peer.instance = peer.start(name, json.dumps({"route": "orders", "plugins": None}).encode())
    return peer


def configured(folder: Path, *classes: type[Plugin], **config: Any) -> KongPeer:
    """Kong with a plugin server that has a file: the bundled plugins beside `classes`, and no instance yet."""
    found = {**discovery.installed(), **{plugin_name(cls): cls for cls in classes}}
    text = yaml.safe_dump({"_format_version": "3.0", **config})
    configuration = build(parse(text, "outrider.yaml", folder), found)
    metrics = Metrics(slots=1 << 16)
    shared = folder / "shared"
    shared.mkdir(exist_ok=True)
    asyncio.run(Plugins(configuration, shared, metrics).start())
    chains = {chain.route.name: chain for chain in compile_chains(configuration, metrics)}

    async def make(place: str, entries: Sequence[tuple[str, Mapping[str, Any]]]) -> Made:
        own = beside(configuration, place, entries, found)
        plugins = Plugins(own, shared, metrics)
        await plugins.start()
        (chain,) = compile_chains(own, metrics)
        return Made(chain, plugins.stop)

    register = Register(folder / "instances", folder / "kong.ids")
    served = Instances(chains, found, make, register, Crashes(folder / "crashes", next(_workers)))
    return KongPeer(lambda: Connection(served))


async def _never(*_: object) -> NoReturn:
    raise AssertionError("nothing is made of Kong's own configuration here")


def service(*plugins: Config, name: str = "r") -> Config:
    """A service with one route of its name, and plugins on it."""
    routes = [{"name": name, "paths": [f"/{name}"]}]
    return {"name": name, "url": "http://127.0.0.1:1", "routes": routes, "plugins": list(plugins)}
