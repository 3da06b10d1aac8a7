"""Envoys with the upstream and the scripted servers as their clusters; the same configuration shares one."""

import json
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from harness.bootstrap import Config, bootstrap, cluster, listener, route
from harness.process import Envoy

KEPT = 8


class Start:
    """`start(filter, ...)` is the port of a listener with these filters; `start.envoy(config)` any Envoy."""

    def __init__(self, binary: Path, clusters: Sequence[Config]) -> None:
        self.binary = binary
        self.clusters = clusters
        self._running: OrderedDict[str, Envoy] = OrderedDict()

    def __call__(
        self,
        *filters: Config,
        routes: Sequence[Config] = (route(),),
        clusters: Sequence[Config] = (),
        **fields: Any,
    ) -> int:
        """Clusters of the same name replace the usual ones; other fields are the listener's."""
        return self.envoy(self.config(*filters, routes=routes, clusters=clusters, **fields)).port()

    def config(
        self,
        *filters: Config,
        routes: Sequence[Config] = (route(),),
        clusters: Sequence[Config] = (),
        **fields: Any,
    ) -> Config:
        by_name = {each["name"]: each for each in [*self.clusters, *clusters]}
        return bootstrap([listener(filters, routes, **fields)], list(by_name.values()))

    def envoy(self, config: Config) -> Envoy:
        key = json.dumps(config)
        envoy = self._running.pop(key, None) or Envoy(self.binary, config).ready()
        self._running[key] = envoy
        if len(self._running) > KEPT:
            self._running.popitem(last=False)[1].stop()
        return envoy

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for envoy in self._running.values():
            envoy.stop()


def usual_clusters(upstream: int, processor: str, authorizer: str) -> list[Config]:
    return [
        cluster("upstream", upstream),
        cluster("processor", processor, http2=True),
        cluster("authorizer", authorizer, http2=True),
    ]
