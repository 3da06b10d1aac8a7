"""What only Kong can do: refused for Envoy, line by line, or left out, and then nothing is open that it guarded."""

from pathlib import Path

import pytest

from outrider import discovery
from outrider.compiling import compile_chains
from outrider.config import Configuration, build
from outrider.config.document import parse
from outrider.metrics import Metrics
from outrider_envoy.kongs_own import LeftOut, irreplaceable, left_out, refused

FILE = """_format_version: "3.0"
vaults: [{name: env, prefix: mine}]
services:
  - name: shop
    url: http://127.0.0.1:9001
    routes: [{name: orders, paths: [/shop/orders]}, {name: all, paths: [/shop]}]
  - name: pages
    url: http://127.0.0.1:9001
    routes: [{name: pages, paths: [/pages]}]
consumers:
  - username: web
    hmacauth_credentials: [{username: web, secret: hunter2}]
consumer_groups: [{name: gold}]
"""
OWN = "is Kong's own, and Envoy has no"
ROUTES = ["orders", "all", "pages"]


PLUGINS = discovery.installed()


def configuration(*plugins: str) -> Configuration:
    text = FILE + "plugins:\n  - {name: correlation-id}\n" + "".join(f"  - {{{one}}}\n" for one in plugins)
    return build(parse(text, "kong.yml", Path()), PLUGINS)


def closed(kept: Configuration) -> set[str]:
    """The routes on which the plugin that refuses is the first."""
    chains = compile_chains(kept, Metrics(slots=1 << 12))
    return {
        chain.route.name for chain in chains if chain.slots and isinstance(chain.slots[0].steps[0].plugin, LeftOut)
    }


def test_each_plugin_and_each_list_is_refused_with_its_line_and_what_to_write() -> None:
    found = configuration("name: jwt, route: orders", "name: prometheus", "name: rate-limiting, consumer: web")
    lenient = "or leave it out with --lenient"
    page = "remove it, and collect the page at gateway.metrics"
    assert [str(one).removeprefix("kong.yml:") for one in refused(found)] == [
        f"16: plugins[jwt].name: {OWN} jwt: write jwt-auth, {lenient}, and its routes answer 503",
        f"17: plugins[prometheus].name: {OWN} prometheus: {page}, {lenient}",
        f"18: plugins[rate-limiting].name: {OWN} rate-limiting: write rate-limit",
        f"2: vaults: belongs to plugins that only Kong has: remove it, {lenient}",
        f"12: consumers[web].hmacauth_credentials: belongs to plugins that only Kong has: remove it, {lenient}",
    ]


@pytest.mark.parametrize(
    ("plugins", "routes"),
    [
        ([], set[str]()),
        (["name: jwt, route: orders"], {"orders"}),
        (["name: jwt, service: shop"], {"orders", "all"}),
        (["name: jwt, service: shop, route: orders"], {"orders"}),
        (["name: bot-detection"], set(ROUTES)),
        (["name: jwt, route: orders, enabled: false"], set[str]()),
        (["name: prometheus", "name: http-log, route: orders"], set[str]()),
    ],
)
def test_a_route_whose_guard_is_left_out_refuses_everything(plugins: list[str], routes: set[str]) -> None:
    kept, _ = left_out(configuration(*plugins))
    assert closed(kept) == routes
    assert [route.name for route in kept.routes] == ROUTES
    assert list(refused(kept)) == []


def test_whatever_is_left_out_has_a_line_and_so_has_each_route_that_refuses() -> None:
    _, lines = left_out(configuration("name: jwt, service: shop", "name: prometheus"))
    assert lines == [
        "kong.yml:16: plugins[jwt].name: left out, since it is Kong's own, and Envoy has no jwt",
        "kong.yml:17: plugins[prometheus].name: left out, since it is Kong's own, and Envoy has no prometheus",
        "kong.yml:2: vaults: left out, since it belongs to plugins that only Kong has",
        "kong.yml:12: consumers[web].hmacauth_credentials: left out, since it belongs to plugins that only Kong has",
        "kong.yml:16: route orders: answers 503, since nothing would guard it without jwt",
        "kong.yml:16: route all: answers 503, since nothing would guard it without jwt",
    ]


@pytest.mark.parametrize(
    ("plugin", "count"),
    [
        ("name: rate-limiting, consumer: web", 1),
        ("name: rate-limiting, consumer_group: gold", 1),
        ("name: rate-limiting, consumer: web, route: orders", 1),
        ("name: http-log, consumer: web", 0),
        ("name: rate-limiting, route: orders", 0),
    ],
)
def test_a_guard_for_some_consumers_can_not_be_left_out(plugin: str, count: int) -> None:
    assert len(list(irreplaceable(configuration(plugin)))) == count


def test_a_plugin_of_an_unknown_kind_is_taken_for_a_guard() -> None:
    text = FILE + "gateway: {kong_plugins: [our-own]}\nplugins: [{name: our-own, route: pages}]\n"
    kept, _ = left_out(build(parse(text, "kong.yml", Path()), PLUGINS))
    assert closed(kept) == {"pages"}
