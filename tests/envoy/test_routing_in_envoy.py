"""Generated files and requests through a real Envoy: the route that takes each is the one that Kong's rules give."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from harness import http1
from harness.bootstrap import bootstrap, cluster
from harness.generated_routes import PORT, ask, routes
from harness.process import Envoy
from harness.reference_router import Ask, Route, chosen
from harness.rendering import configurations, manager, rendered
from harness.upstream import Upstream

FILES = int(os.environ.get("OUTRIDER_ROUTE_FILES", "15"))
REQUESTS = 60
NOTHING = "outrider_no_route"


def listener(folder: Path, found: list[Route], number: int, **gateway: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The listener of a file with these routes, and the whole document; each response tells which one it was."""
    document = rendered(configurations(folder)(routes=json.dumps(found), listen=f"127.0.0.1:{PORT}", **gateway))
    one = document["static_resources"]["listeners"][0]
    told = {"header": {"key": "x-route", "value": "%ROUTE_NAME%"}}
    manager(document)["route_config"]["response_headers_to_add"] = [told]
    one["address"]["socket_address"]["port_value"] = 0
    return one | {"name": f"file {number}"}, document


UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
LARGE = [
    (f"~/{UUID}/(?<of>{UUID})$", f"/{'0' * 8}-{'1' * 4}-{'2' * 4}-{'3' * 4}-{'4' * 12}" * 2, "large-0"),
    (f"~/u/{UUID}$", f"/u/{'0' * 8}-{'1' * 4}-{'2' * 4}-{'3' * 4}-{'4' * 12}", "large-1"),
    ("~/[^/]{1,255}/x", f"/{'y' * 255}/x", "large-2"),
    ("~/a{900}", f"/{'a' * 900}", "large-3"),
    (f"~/(?:{'|'.join(f'w{number}' for number in range(150))})$", "/w149", "large-4"),
    (r"~/(?i)\x58\.[\w.]+?-\bend\B", "/x.a-ende", "large-5"),
]
"""Expressions that may stand in a file, with a path and the route that takes it."""


@pytest.fixture(scope="module")
def files() -> list[list[Route]]:
    large = [{"name": f"large-{number}", "paths": [path]} for number, (path, *_) in enumerate(LARGE)]
    return [large] + [routes(Random(number), 1 + number % 15) for number in range(FILES)]  # noqa: S311 - no secret


@pytest.fixture(scope="module")
def envoy(
    files: list[list[Route]], envoy_binary: Path, shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Envoy]:
    folder = tmp_path_factory.mktemp("files")
    made = [listener(folder, found, number) for number, found in enumerate(files)]
    (_, document) = made[0]
    clusters = document["static_resources"]["clusters"]
    others = [one for one in clusters if one["name"] != "service_orders"]
    resources = bootstrap([one for one, _ in made], [cluster("service_orders", shared_upstream.port), *others])
    document = resources | {"layered_runtime": document["layered_runtime"]}
    with Envoy(envoy_binary, document) as envoy:
        yield envoy.ready()


def answered(envoy: Envoy, number: int, asks: list[Ask]) -> Iterator[str | None]:
    """The route of each request, on one connection."""
    with http1.connect(envoy.port(f"file {number}")) as connection, connection.makefile("rb") as stream:
        for one in asks:
            connection.sendall(_text(one).encode())
            message = http1.read(stream)
            assert message, f"no answer to {one}"
            yield message.get("x-route")


def _text(one: Ask) -> str:
    lines = [
        f"{one.method} {one.path} HTTP/1.1",
        f"host: {one.host}",
        *(f"{key}: {value}" for key, value in one.headers),
    ]
    return "\r\n".join([*lines, "content-length: 0", "", ""])


def test_envoy_takes_every_expression_that_a_file_may_have(envoy: Envoy) -> None:
    asks = [Ask(path=path) for _, path, _ in LARGE]
    assert list(answered(envoy, 0, asks)) == [name for *_, name in LARGE]


def test_the_route_that_takes_a_request_is_the_one_that_kongs_rules_give(
    envoy: Envoy, files: list[list[Route]]
) -> None:
    for number, found in enumerate(files[1:], 1):
        random = Random(number)  # noqa: S311 - no secret
        asks = [ask(random) for _ in range(REQUESTS)]
        wanted = [chosen(found, one, PORT) or NOTHING for one in asks]
        for one, want, got in zip(asks, wanted, answered(envoy, number, asks), strict=True):
            assert got == want, f"{one} in {found}"
