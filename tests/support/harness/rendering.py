"""Renders a file for Envoy, and finds its way in what comes out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from outrider import Auth, Identity, LogRecord, Needs, Plugin, Request, Response
from outrider.compiling import compile_chains, identity_headers
from outrider.config import Configuration, load
from outrider.metrics import Metrics
from outrider.needs import REWRITES
from outrider_envoy.render import Plan, bootstrap
from outrider_envoy.render.filters import EXT_AUTHZ, EXT_PROC

Section = dict[str, Any]
Read = Callable[..., Configuration]


class Headers(Plugin):
    """Looks at the request, and not at the client's address."""

    def needs(self) -> Needs:
        return Needs(facts=frozenset({"headers"}))

    def on_request(self, _: Request, /) -> None: ...


class Client(Plugin):
    """Looks at the client's address."""

    def on_request(self, _: Request, /) -> None: ...


class RequestBody(Plugin):
    """Reads the request's body."""

    def on_request_body(self, _: Request, __: bytes, /) -> None: ...


class OnResponse(Plugin):
    """Looks at the response."""

    def on_response(self, _: Request, __: Response, /) -> None: ...


class ResponseBody(Plugin):
    """Reads the response's body."""

    def on_response_body(self, _: Request, __: Response, ___: bytes, /) -> None: ...


class RequestChunks(Plugin):
    def on_request_chunk(self, _: Request, chunk: bytes, __: bool, /) -> bytes:
        return chunk


class ResponseChunks(Plugin):
    def on_response_chunk(self, _: Request, __: Response, chunk: bytes, ___: bool, /) -> bytes:
        return chunk


class Logs(Plugin):
    """Hears the end."""

    def on_log(self, _: Request, __: LogRecord, /) -> None: ...


class Tells(Headers):
    """Tells downstream something, whatever answers."""

    def needs(self) -> Needs:
        return Needs(reply_headers=("x-a",))


class Optional(Logs):
    """Can live without the end of the request."""

    def needs(self) -> Needs:
        return Needs(optional=frozenset({"on_log"}))


class Knows(Auth):
    """Declares an identity header of its own."""

    def needs(self) -> Needs:
        return Needs(identity_headers=("X-User-Email",))

    def authenticate(self, _: Request, /) -> Identity:
        return Identity("key")

    def challenge(self) -> str:
        return "Knows"

    def hide_credential(self, _: Request, /) -> None: ...


class Rewrites(Headers):
    """May give requests another method, path and body."""

    def needs(self) -> Needs:
        return Needs(rewrites=REWRITES)


PLUGINS: dict[str, type[Plugin]] = {
    "headers": Headers,
    "client": Client,
    "request-body": RequestBody,
    "on-response": OnResponse,
    "response-body": ResponseBody,
    "request-chunks": RequestChunks,
    "response-chunks": ResponseChunks,
    "logs": Logs,
    "tells": Tells,
    "optional": Optional,
    "knows": Knows,
    "rewrites": Rewrites,
}

HEAD = """
_format_version: "3.0"
gateway: {{listen: {listen}, protocol: {protocol}, trusted_ips: [{trusted}], queue_budget: {queue_budget}}}
services:
  - name: orders
    url: {url}
    read_timeout: 7000
    routes: {routes}
plugins: {plugins}
"""


def configurations(folder: Path) -> Read:
    """Writes a file with plugins, routes and a service, and loads it."""

    def read(
        *plugins: str,
        routes: str = "[{name: one, paths: [/one]}, {name: two, paths: [/two]}]",
        url: str = "http://127.0.0.1:9001",
        protocol: str = "ext_proc",
        trusted: str = "",
        queue_budget: int = 500,
        listen: str = "127.0.0.1:8080",
    ) -> Configuration:
        path = folder / "outrider.yaml"
        listed = "[" + ", ".join(plugins) + "]"
        gateway = {"protocol": protocol, "trusted": trusted, "queue_budget": queue_budget, "listen": listen}
        path.write_text(HEAD.format(plugins=listed, routes=routes, url=url, **gateway))
        return load(path, PLUGINS)

    return read


def planned(configuration: Configuration, workers: tuple[str, ...] = ("unix:/run/w0", "unix:/run/w1")) -> Plan:
    chains = {chain.route.name: chain for chain in compile_chains(configuration, Metrics(slots=1 << 12))}
    return Plan(configuration, chains, identity_headers(configuration), workers)


def rendered(configuration: Configuration, workers: tuple[str, ...] = ("unix:/run/w0", "unix:/run/w1")) -> Section:
    return bootstrap(planned(configuration, workers))


def manager(document: Section) -> Section:
    """That of the listener without TLS."""
    listener, *_ = document["static_resources"]["listeners"]
    config: Section = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return config


def trees(document: Section) -> dict[str, dict[str, list[Section]]]:
    """The routes of each virtual host, by the beginning of the path."""
    return {host["name"]: tree(host) for host in manager(document)["route_config"]["virtual_hosts"]}


def tree(host: Section) -> dict[str, list[Section]]:
    """The routes of one virtual host, by the beginning of the path."""
    found = host["matcher"]["matcher_tree"]["prefix_match_map"]["map"]
    return {begin: leaf["action"]["typed_config"]["routes"] for begin, leaf in found.items()}


def route(document: Section, name: str) -> Section:
    every = [one for host in trees(document).values() for routes in host.values() for one in routes]
    return next(one for one in every if one["name"] == name)


def per_route(document: Section, name: str) -> Section:
    configs = route(document, name)["typed_per_filter_config"]
    found: Section = next(config for key, config in configs.items() if key in (EXT_PROC, EXT_AUTHZ))
    return found


def the_filter(document: Section) -> Section:
    filters = manager(document)["http_filters"]
    config: Section = next(one["typed_config"] for one in filters if one["name"] in (EXT_PROC, EXT_AUTHZ))
    return config
