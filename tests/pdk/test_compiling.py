"""From a file to one chain for each route."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from harness.chains import walk_of
from outrider import Consumer, Needs, Plugin, Request, Response
from outrider.auth import IDENTITY_HEADERS
from outrider.chain import Chain
from outrider.compiling import compile_chains, identity_headers
from outrider.config import Configuration, load
from outrider.metrics import Metrics
from outrider.verdict import PASS


class Who(Plugin):
    """Believes what the request says of its sender."""

    priority: ClassVar[int] = 1000

    def on_request(self, request: Request, /) -> None:
        name = request.headers.get("x-name")
        request.consumer = Consumer(name, name, groups=("gold",) if name == "alice" else ()) if name else None

    def needs(self) -> Needs:
        return Needs(identity_headers=("X-Name-Of",))


class Tag(Plugin):
    """Tells upstream which of its configurations ran."""

    value: str = "global"

    def on_request(self, request: Request, /) -> None:
        request.headers.append("x-tag", self.value)

    def on_response(self, _: Request, response: Response, /) -> None:
        response.headers["x-tag"] = self.value


class Late(Plugin):
    """Runs after the others."""

    priority: ClassVar[int] = 1

    def on_request(self, request: Request, /) -> None:
        request.headers.append("x-tag", "late")


HEAD = """
_format_version: "3.0"
consumers:
  - {username: alice, id: alice, groups: [{name: gold}]}
  - {username: bob, id: bob}
  - {username: carl, id: carl}
consumer_groups: [{name: gold}]
services:
  - name: orders
    url: http://127.0.0.1:1
    tags: [s]
    routes: [{name: first, paths: [/first], tags: [r]}, {name: second, paths: [/second]}]
  - name: other
    url: http://127.0.0.1:2
    routes: [{name: third, paths: [/third]}]
plugins:
"""

Compile = Callable[[str], dict[str, Chain]]


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], Configuration]:
    def read(plugins: str) -> Configuration:
        path = tmp_path / "outrider.yaml"
        path.write_text(HEAD + plugins)
        return load(path, {"who": Who, "tag": Tag, "late": Late})

    return read


@pytest.fixture
def compiled(read: Callable[[str], Configuration]) -> Compile:
    return lambda plugins: {
        chain.route.name: chain for chain in compile_chains(read(plugins), Metrics(slots=1 << 12))
    }


def tags(chain: Chain, name: str = "") -> str | None:
    request = Request(headers={"x-name": name} if name else {})
    assert walk_of(chain.begin(request).request_phase()) is PASS
    return request.headers.get("x-tag")


def test_every_route_has_a_chain_and_each_only_what_is_for_it(compiled: Compile) -> None:
    chains = compiled("""
  - {name: late}
  - {name: tag, service: orders, config: {value: orders}}
  - {name: tag, route: second, config: {value: second}}
""")
    assert {name: tags(chain) for name, chain in chains.items()} == {
        "first": "orders, late",
        "second": "second, late",
        "third": "late",
    }


def test_a_chain_knows_its_route_and_service(compiled: Compile) -> None:
    route = compiled("  - {name: late}")["first"].route
    assert (route.name, route.service, route.tags) == ("first", "orders", ("r",))


def test_a_route_without_plugins_has_an_empty_chain(compiled: Compile) -> None:
    chains = compiled("  - {name: late, route: first}")
    assert [bool(chain.slots) for chain in chains.values()] == [True, False, False]


@pytest.mark.parametrize(
    ("name", "expected"), [("", "everybody"), ("bob", "bob"), ("alice", "gold"), ("carl", "everybody")]
)
def test_the_most_specific_configuration_runs(compiled: Compile, name: str, expected: str) -> None:
    chains = compiled("""
  - {name: who}
  - {name: tag, config: {value: everybody}}
  - {name: tag, consumer: bob, config: {value: bob}}
  - {name: tag, consumer_group: gold, config: {value: gold}}
""")
    assert tags(chains["first"], name) == expected


@pytest.mark.parametrize(("name", "expected"), [("", None), ("bob", "bob"), ("alice", None)])
def test_a_plugin_for_one_consumer_does_not_run_for_others(
    compiled: Compile, name: str, expected: str | None
) -> None:
    assert tags(compiled("  - {name: who}\n  - {name: tag, consumer: bob, config: {value: bob}}")["first"], name) == (
        expected
    )


def test_the_response_hook_of_the_configuration_that_ran_runs(compiled: Compile) -> None:
    chain = compiled("""
  - {name: who}
  - {name: tag, config: {value: everybody}}
  - {name: tag, consumer: bob, config: {value: bob}}
""")["first"]
    exchange, response = chain.begin(Request(headers={"x-name": "bob"})), Response(200)
    assert walk_of(exchange.request_phase()) is PASS
    assert walk_of(exchange.response_phase(response)) is PASS
    assert response.headers["x-tag"] == "bob"


def test_what_a_gateway_must_know_counts_every_configuration_that_could_run(compiled: Compile) -> None:
    chain = compiled("""
  - {name: who}
  - {name: tag, config: {value: everybody, timeout: 100}}
  - {name: tag, consumer: bob, config: {value: bob, timeout: 200}}
""")["first"]
    assert chain.hooks == {"on_request", "on_response"}
    assert chain.budget == pytest.approx(1.0 + 0.1 + 0.2)
    assert [step.name for slot in chain.slots for step in slot.steps] == ["who", "tag", "tag"]


def test_identity_headers_of_any_route_are_stripped_on_every_route(
    read: Callable[[str], Configuration], compiled: Compile
) -> None:
    plugins = "  - {name: who, route: third}"
    assert identity_headers(read(plugins)) == IDENTITY_HEADERS | {"x-name-of"}
    request = Request(headers={"x-name-of": "root", "x_name_of": "root", "x-consumer-id": "root", "x-name": "kept"})
    compiled(plugins)["first"].begin(request)
    assert dict(request.headers) == {"x-name": "kept"}
