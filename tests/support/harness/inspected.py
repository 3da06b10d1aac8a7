"""Dumps of running Envoys that fit their files, and a way to break each of them at one place."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from harness.bootstrap import bootstrap, cluster, listener, route
from harness.process import Envoy
from harness.rendering import PLUGINS, Section, planned
from outrider import discovery
from outrider.config import load
from outrider_envoy.render import Plan, pieces

EXAMPLES = Path(__file__).parents[3] / "examples"

_FILE = """
_format_version: "3.0"
gateway: {{listen: 127.0.0.1:8080, workers: 2, protocol: {protocol}, trusted_ips: [{trusted}]}}
services:
  - name: orders
    url: http://127.0.0.1:9001
    routes: [{{name: read, paths: [/read]}}, {{name: plain, paths: [/plain]}}]
  - name: goods
    url: http://127.0.0.1:9002
    routes: [{{name: watched, paths: [/watched]}}, {{name: told, paths: [/told]}}]
plugins: [{plugins}]
"""
_CLUSTERS = {"read": "orders", "plain": "orders", "watched": "goods", "told": "goods"}
_READS = "{name: request-body, route: read}, {name: client, route: read}, {name: tells, route: told}"
_WATCHES = "{name: on-response, route: watched}, {name: response-chunks, route: watched}"
_TEXTS = {
    "ext_proc": _FILE.format(protocol="ext_proc", trusted="", plugins=f"{_READS}, {_WATCHES}"),
    "ext_authz": _FILE.format(protocol="ext_authz", trusted="", plugins=_READS),
    "proxies": _FILE.format(protocol="ext_authz", trusted="10.0.0.0/8", plugins=_READS),
}
_EXAMPLES = {
    "example": (EXAMPLES / "envoy" / "outrider.yaml", EXAMPLES / "envoy" / "envoy.yaml"),
    "limits": (EXAMPLES / "rate-limit-service.yaml", EXAMPLES / "envoy" / "rate-limit-service.yaml"),
}
LOCAL_REPLIES = {"skip_ext_proc_on_local_reply": False}
"""Makes an Envoy of 1.36 do what one of 1.40 does."""
BASES = (*_TEXTS, *_EXAMPLES)
"""Files, each with an Envoy that fits."""


class Inspected:
    """The dump of an Envoy, and the plan of the file of its workers."""

    def __init__(self, dump: Section, plan: Plan) -> None:
        self.dump = dump
        self.plan = plan

    def copy(self) -> "Inspected":
        """One that may be broken."""
        return Inspected(copy.deepcopy(self.dump), self.plan)

    def section(self, kind: str) -> Section:
        return next(one for one in self.dump["configs"] if one["@type"].endswith(f".{kind}"))

    @property
    def listener(self) -> Section:
        found: Section = self.section("ListenersConfigDump")["static_listeners"][0]["listener"]
        return found

    @property
    def manager(self) -> Section:
        found: Section = self.listener["filter_chains"][0]["filters"][0]["typed_config"]
        return found

    @property
    def filters(self) -> list[Section]:
        """The HTTP filters: first the one that asks, then the guard."""
        found: list[Section] = self.manager["http_filters"]
        return found

    @property
    def asker(self) -> Section:
        """The configuration of the filter that asks."""
        found: Section = self.filters[0]["typed_config"]
        return found

    def route(self, name: str) -> Section:
        hosts = self.manager["route_config"]["virtual_hosts"]
        return next(route for host in hosts for route in host["routes"] if route.get("name") == name)

    def said(self, name: str, filter_name: str = "") -> Section:
        """What a route says to a filter; to the one that asks, unless another is named."""
        found: Section = self.route(name)["typed_per_filter_config"][filter_name or self.filters[0]["name"]]
        return found

    @property
    def workers(self) -> Section:
        """The cluster of the workers."""
        rows = self.section("ClustersConfigDump")["static_clusters"]
        return next(row["cluster"] for row in rows if row["cluster"]["name"] == "outrider_workers")

    @property
    def endpoints(self) -> list[Section]:
        """Those of the workers."""
        rows = [row["endpoint_config"] for row in self.section("EndpointsConfigDump")["static_endpoint_configs"]]
        found: list[Section] = next(row for row in rows if row["cluster_name"] == "outrider_workers")["endpoints"]
        return found


def inspected(base: str, binary: Path, folder: Path) -> Inspected:
    """Starts the Envoy of a base and takes its dump."""
    plan, document = _of_example(base) if base in _EXAMPLES else _of_text(_TEXTS[base], folder)
    return Inspected(dump_of(document, binary), plan)


def dump_of(document: Section, binary: Path) -> Section:
    with Envoy(binary, document).ready() as envoy:
        found: Section = json.loads(envoy.admin("/config_dump?include_eds"))
        return found


def on_any_port(document: Section) -> Section:
    """A bootstrap whose listeners are told a free port."""
    for one in document["static_resources"]["listeners"]:
        one["address"]["socket_address"]["port_value"] = 0
    return document


def _of_example(base: str) -> tuple[Plan, Section]:
    file, envoy = _EXAMPLES[base]
    configuration = load(file, discovery.installed())
    return planned(configuration), on_any_port(yaml.safe_load(envoy.read_text(encoding="utf-8")))


def _of_text(text: str, folder: Path) -> tuple[Plan, Section]:
    file = folder / "outrider.yaml"
    file.write_text(text, encoding="utf-8")
    plan = planned(load(file, PLUGINS))
    return plan, _pasted(plan)


def _pasted(plan: Plan) -> Section:
    """An Envoy into which somebody has pasted what `render envoy --filters` prints."""
    printed = {piece.name: piece.content for piece in pieces(plan)}
    routes = [
        route(f"/{name}", _CLUSTERS[name], name=name, typed_per_filter_config=said)
        for name, said in printed["routes"].items()
    ]

    def chain(settings: Section) -> Section:
        manager = settings | {"upgrade_configs": [{"upgrade_type": "websocket"}]}
        found: Section = listener(printed["http_filters"], routes, manager=manager)["filter_chains"][0]
        return found

    chains = [chain(printed["http_connection_manager"])]
    if proxies := printed.get("behind_trusted_proxies"):
        settings = proxies.pop("http_connection_manager")
        chains.append(proxies | chain(settings))
    main = listener([], [], filter_chains=chains, **printed.get("buffer_limit", {}))
    layer = {"name": "ours", "static_layer": {"envoy": {"reloadable_features": LOCAL_REPLIES}}}
    upstreams = [cluster("orders", 1), cluster("goods", 1)]
    document = bootstrap([main], [*upstreams, *printed["clusters"]])
    return document | {"layered_runtime": {"layers": [layer]}}


Base = Callable[[str], Inspected]
"""Gives a copy of the dump of a base's Envoy."""
Break = Callable[[Inspected], None]
"""Breaks one thing of an Envoy."""


def setting(where: Callable[[Inspected], Section], **fields: Any) -> Break:
    """Sets fields of a message; None takes one away."""

    def apply(envoy: Inspected) -> None:
        message = where(envoy)
        for name, value in fields.items():
            message.pop(name, None)
            if value is not None:
                message[name] = value

    return apply
