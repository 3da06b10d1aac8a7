"""Which configuration of a plugin runs, in Kong's order."""

import random
from collections.abc import Mapping

import pytest

from outrider import Plugin
from outrider.config.precedence import Candidates, ScopedPlugin, Scopes
from outrider.consumer import Consumer

ORDER = ("crs", "grs", "cr", "cs", "gr", "gs", "rs", "c", "g", "r", "s", "")
ALICE = Consumer(id="alice", groups=("gold", "staff"))


@pytest.fixture
def greet(plugins: Mapping[str, type[Plugin]]) -> type[Plugin]:
    return plugins["greet"]


def scoped(scope: str, plugin: Plugin, group: str = "gold") -> ScopedPlugin:
    return ScopedPlugin(
        "greet",
        plugin,
        service="orders" if "s" in scope else None,
        route="list" if "r" in scope else None,
        consumer="alice" if "c" in scope else None,
        group=group if "g" in scope else None,
    )


def on_the_route(*entries: ScopedPlugin) -> Candidates:
    (found,) = Scopes(entries).candidates("orders", "list")
    return found


@pytest.mark.parametrize("first", range(len(ORDER)))
def test_the_most_specific_of_those_that_are_there_runs(first: int, greet: type[Plugin]) -> None:
    made = {scope: greet() for scope in ORDER[first:]}
    entries = [scoped(scope, plugin) for scope, plugin in made.items()]
    random.Random(first).shuffle(entries)  # noqa: S311 - an order, no secret
    assert on_the_route(*entries).resolve(ALICE) is made[ORDER[first]]


def test_without_a_consumer_only_what_is_for_everybody_runs(greet: type[Plugin]) -> None:
    everybody, alices = greet(), greet()
    found = on_the_route(scoped("", everybody), scoped("crs", alices), scoped("grs", greet()))
    assert found.resolve(None) is everybody
    assert found.resolve(Consumer(id="bob")) is everybody
    assert found.resolve(ALICE) is alices


def test_none_runs_for_those_whom_none_is_for(greet: type[Plugin]) -> None:
    assert on_the_route(scoped("c", greet())).resolve(Consumer(id="bob")) is None
    assert on_the_route(scoped("c", greet())).resolve(None) is None


def test_of_two_groups_of_equal_rank_the_consumers_first_counts(greet: type[Plugin]) -> None:
    gold, staff = greet(), greet()
    found = on_the_route(scoped("g", staff, group="staff"), scoped("g", gold, group="gold"))
    assert found.resolve(ALICE) is gold
    assert found.resolve(Consumer(id="bob", groups=("staff", "gold"))) is staff


def test_route_and_service_together_stand_above_a_consumer(greet: type[Plugin]) -> None:
    both = greet()
    assert on_the_route(scoped("c", greet()), scoped("rs", both)).resolve(ALICE) is both


def test_what_is_for_another_route_or_service_is_no_candidate(greet: type[Plugin]) -> None:
    scopes = Scopes([scoped("r", greet()), scoped("s", greet())])
    assert scopes.candidates("users", "other") == ()
    assert len(scopes.candidates("orders", "other")[0].entries) == 1


def test_names_stand_in_the_order_of_the_file(greet: type[Plugin]) -> None:
    entries = [ScopedPlugin("b", greet(), route="list"), ScopedPlugin("a", greet()), ScopedPlugin("b", greet())]
    assert [found.name for found in Scopes(entries).candidates("orders", "list")] == ["b", "a"]
