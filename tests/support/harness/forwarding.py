"""A real Envoy with the clusters and the route actions of a file, and nothing else of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import yaml

from harness import http1
from harness.bootstrap import Config, bootstrap, listener
from harness.process import Envoy
from harness.upstream import Answer, Upstream
from outrider.config import Configuration, load
from outrider_envoy.render import Plan
from outrider_envoy.render.access_log import access_log, path_filter
from outrider_envoy.render.clusters import WORKERS, clusters
from outrider_envoy.render.repeating import repeating_filter
from outrider_envoy.render.upstream_action import forward

Fields = dict[str, Any]


class Targets:
    """Upstreams by name, each of which says its name in x-target."""

    def __init__(self) -> None:
        self._running: dict[str, Upstream] = {}

    def __getitem__(self, name: str) -> Upstream:
        if name not in self._running:
            self._start(name, 0)
        return self._running[name]

    def at(self, *names: str, **fields: Any) -> list[Fields]:
        """Targets of an upstream."""
        return [{"target": f"127.0.0.1:{self[name].port}", **fields} for name in names]

    def revive(self, name: str) -> None:
        """Another one on the port of one that died."""
        self._start(name, self._running[name].port)

    def well(self, name: str) -> None:
        """Answers as at the beginning."""
        self[name].reset()
        self[name].answer = Answer(headers=[("x-target", name)])

    def stop(self) -> None:
        for upstream in self._running.values():
            upstream.gate.set()
            upstream.die()

    def _start(self, name: str, port: int) -> None:
        self._running[name] = Upstream(port=port).__enter__()
        self.well(name)


def read(folder: Path, **entities: Any) -> Configuration:
    """A configuration with a route for each service, at its name."""
    for service in entities["services"]:
        service["routes"] = [{"name": service["name"], "paths": [f"/{service['name']}"], **service.pop("route", {})}]
    path = folder / "outrider.yaml"
    path.write_text(yaml.safe_dump({"_format_version": "3.0", **entities}))
    return load(path, {})


def document(plan: Plan) -> Config:
    """The bootstrap."""
    routes = [
        {"match": {"path_separated_prefix": f"/{route.name}"}, "route": forward(route)}
        for route in plan.configuration.routes
    ]
    manager = {"upgrade_configs": [{"upgrade_type": "websocket"}], **access_log(plan)}
    found = [cluster for cluster in clusters(plan) if cluster["name"] != WORKERS]
    return bootstrap([listener([*path_filter(plan), repeating_filter()], routes, manager=manager)], found)


def plan_of(configuration: Configuration, **fields: Any) -> Plan:
    return Plan(configuration, {}, frozenset(), (), **fields)


class Forwarder:
    """The Envoy, which is asked by the name of a service."""

    def __init__(self, binary: Path, bootstrap: Config) -> None:
        self._envoy = Envoy(binary, bootstrap)

    def ask(self, service: str, *headers: tuple[str, str], path: str = "", **fields: Any) -> http1.Message:
        return http1.request(self.port, f"/{service}{path}", *headers, **fields)

    def targets(self, service: str, count: int, *headers: tuple[str, str], **fields: Any) -> list[str | None]:
        """Who answered each of so many requests; a refusal is its status."""
        answers = (self.ask(service, *headers, **fields) for _ in range(count))
        return [answer.get("x-target") if answer.status == 200 else str(answer.status) for answer in answers]

    def stat(self, name: str) -> int:
        """One of Envoy's counters."""
        found = self._envoy.admin(f"/stats?filter=^{name}$")
        return int(found.rpartition(":")[2]) if found.strip() else 0

    def quit(self) -> None:
        """Ends the Envoy, which writes what it has not written yet."""
        http1.request(self._envoy.socket, "/quitquitquit", method="POST")
        self._envoy.process.wait(15)

    def __enter__(self) -> Self:
        self._envoy.ready()
        self.port = self._envoy.port()
        return self

    def __exit__(self, *_: object) -> None:
        self._envoy.stop()


def healthy(targets: Sequence[str | None]) -> bool:
    """Whether nobody was refused."""
    return all(target is not None and not target.isdecimal() for target in targets)
