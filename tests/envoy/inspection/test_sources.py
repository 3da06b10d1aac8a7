"""Wherever an Envoy has its listeners, routes and clusters from, they are looked at alike."""

import copy
import json
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from harness.inspected import EXAMPLES, Base, Inspected, dump_of, on_any_port
from harness.process import Envoy, until
from harness.rendering import Section
from outrider.errors import OutriderError
from outrider_envoy.inspection import inspect

CONFIG = "type.googleapis.com/envoy.config"


@pytest.fixture
def document() -> Section:
    """The Envoy of the guide."""
    return on_any_port(yaml.safe_load((EXAMPLES / "envoy" / "envoy.yaml").read_text(encoding="utf-8")))


def manager_of(document: Section) -> Section:
    (listener,) = document["static_resources"]["listeners"]
    found: Section = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return found


def moved_out(document: Section, folder: Path) -> Section:
    """The same, with listeners, routes, clusters and endpoints in files that Envoy watches."""

    def source(name: str) -> Section:
        return {"resource_api_version": "V3", "path_config_source": {"path": str(folder / name)}}

    def write(name: str, kind: str, rows: list[Section]) -> None:
        typed = [{"@type": f"{CONFIG}.{kind}", **row} for row in rows]
        (folder / name).write_text(json.dumps({"version_info": "1", "resources": typed}))

    resources = copy.deepcopy(document["static_resources"])
    manager = manager_of({"static_resources": resources})
    table = manager.pop("route_config") | {"name": "table"}
    manager["rds"] = {"route_config_name": "table", "config_source": source("routes.json")}
    for cluster in resources["clusters"]:
        cluster["type"] = "EDS"
        # Envoy takes a file with one assignment only.
        cluster["eds_cluster_config"] = {"eds_config": source(f"{cluster['name']}.json")}
        write(f"{cluster['name']}.json", "endpoint.v3.ClusterLoadAssignment", [cluster.pop("load_assignment")])
    write("routes.json", "route.v3.RouteConfiguration", [table])
    write("clusters.json", "cluster.v3.Cluster", resources["clusters"])
    write("listeners.json", "listener.v3.Listener", resources["listeners"])
    dynamic = {"lds_config": source("listeners.json"), "cds_config": source("clusters.json")}
    return {"node": {"id": "one", "cluster": "all"}, "dynamic_resources": dynamic}


def findings(document: Section, binary: Path, plan: Any) -> list[str]:
    with Envoy(binary, document).ready() as envoy:
        until(lambda: "main" in envoy.admin("/listeners"))
        dump = json.loads(envoy.admin("/config_dump?include_eds"))
    return [str(one) for one in inspect(dump, plan)]


def test_an_envoy_whose_parts_come_from_elsewhere_is_looked_at_whole(
    base: Base, document: Section, envoy_binary: Path, tmp_path: Path
) -> None:
    plan = base("example").plan
    assert findings(moved_out(document, tmp_path), envoy_binary, plan) == []
    manager = manager_of(document)
    orders = manager["route_config"]["virtual_hosts"][0]["routes"][0]
    del orders["typed_per_filter_config"]["envoy.filters.http.header_mutation"]
    manager["merge_slashes"] = False
    manager["http_filters"][0]["typed_config"]["failure_mode_allow"] = True
    workers = document["static_resources"]["clusters"][1]
    workers["load_assignment"]["endpoints"][0]["lb_endpoints"].pop()
    found = findings(moved_out(document, tmp_path), envoy_binary, plan)
    assert [line.partition(":")[0] for line in found] == [
        "listener main",
        "listener main",
        "listener main, route orders",
        "cluster outrider_workers",
    ]


def test_each_filter_chain_is_looked_at(base: Base) -> None:
    """The second one is for trusted proxies."""
    envoy = base("proxies")
    first, second = envoy.listener["filter_chains"]
    del second["filters"][0]["typed_config"]["merge_slashes"]
    first["name"] = "strangers"
    envoy.listener["default_filter_chain"] = envoy.listener["filter_chains"].pop()
    (found,) = inspect(envoy.dump, envoy.plan)
    assert found.where == "listener main, filter chain 1"
    del first["filters"][0]["typed_config"]["merge_slashes"]
    assert [one.where.rpartition(" ")[2] for one in inspect(envoy.dump, envoy.plan)] == ["strangers", "1"]


def test_weighted_clusters_are_looked_at_each(base: Base) -> None:
    envoy = base("ext_proc")
    route = envoy.route("told")
    off = {"envoy.filters.http.ext_proc": envoy.said("plain")}
    weighted = [{"name": "one", "weight": 9}, {"name": "two", "weight": 1, "typed_per_filter_config": off}]
    route["route"] = {"weighted_clusters": {"clusters": weighted}}
    (plugins, guard) = inspect(envoy.dump, envoy.plan)
    assert "its plugins do not run" in str(plugins)
    assert "all requests are refused" in str(guard)


def test_the_routes_of_a_matcher_are_looked_at(base: Base) -> None:
    envoy = base("ext_proc")
    envoy.said("told")["overrides"]["failure_mode_allow"] = True
    (host,) = envoy.manager["route_config"]["virtual_hosts"]
    first, *others = host.pop("routes")
    leaves = [
        {"@type": f"{CONFIG}.route.v3.Route", **first},
        {"@type": f"{CONFIG}.route.v3.RouteList", "routes": others},
    ]
    matchers = [{"on_match": {"action": {"name": "routes", "typed_config": leaf}}} for leaf in leaves]
    host["matcher"] = {"matcher_list": {"matchers": matchers}}
    (found,) = inspect(envoy.dump, envoy.plan)
    assert found.where == "listener main, route told"


def test_a_filter_that_comes_from_elsewhere_is_found(base: Base) -> None:
    envoy = base("ext_proc")
    outside = {"name": envoy.filters[0]["name"], "typed_config": envoy.filters[0].pop("typed_config")}
    envoy.filters[0]["config_discovery"] = {}
    envoy.dump["configs"].append(
        {"@type": "type.googleapis.com/envoy.admin.v3.EcdsConfigDump", "ecds_filters": [{"ecds_filter": outside}]}
    )
    assert inspect(envoy.dump, envoy.plan) == []
    outside["typed_config"]["failure_mode_allow"] = True
    assert len(inspect(envoy.dump, envoy.plan)) == 1


def test_workers_may_have_a_cluster_of_any_name(base: Base) -> None:
    envoy = base("ext_proc")
    renamed = Inspected(json.loads(json.dumps(envoy.dump).replace("outrider_workers", "mine")), envoy.plan)
    assert inspect(renamed.dump, renamed.plan) == []
    renamed.asker["failure_mode_allow"] = True
    assert len(inspect(renamed.dump, renamed.plan)) == 1


def test_a_filter_that_asks_somebody_else_is_not_looked_at(base: Base) -> None:
    envoy = base("ext_proc")
    other: Section = copy.deepcopy(envoy.filters[0]) | {"name": "mine"}
    other["typed_config"]["grpc_service"] = {"envoy_grpc": {"cluster_name": "mine"}}
    other["typed_config"]["failure_mode_allow"] = True
    envoy.filters.insert(0, other)
    assert inspect(envoy.dump, envoy.plan) == []


NO_DUMPS: list[Section] = [{}, {"configs": []}, {"configs": [1, "a", None, {}]}, {"configs": {"a": 1}}]


@pytest.mark.parametrize("dump", NO_DUMPS)
def test_what_is_no_dump_is_refused(base: Base, dump: Section) -> None:
    with pytest.raises(OutriderError, match="no Envoy's"):
        inspect(dump, base("ext_proc").plan)


def test_no_odd_value_stops_the_look(base: Base) -> None:
    """An Envoy of another version may have another form."""
    envoy = base("example")
    odd = cycle([None, 0, "", "text", [], [1], {}, {"a": 1}, True])
    sections = [one for one in envoy.dump["configs"] if not one["@type"].endswith(".BootstrapConfigDump")]
    for message, name in list(_fields(sections)):
        kept, message[name] = message[name], next(odd)
        inspect(envoy.dump, envoy.plan)
        message[name] = kept


def _fields(message: object) -> Iterator[tuple[Any, Any]]:
    """Each place of the dump that has a value."""
    if isinstance(message, dict | list):
        known = cast("dict[Any, object] | list[object]", message)
        for name, one in list(known.items() if isinstance(known, dict) else enumerate(known)):
            yield known, name
            yield from _fields(one)


def test_a_dump_is_read_as_envoy_writes_it(base: Base, document: Section, envoy_binary: Path) -> None:
    """A default is absent."""
    manager_of(document)["http_filters"][0]["typed_config"]["failure_mode_allow"] = False
    asker = Inspected(dump_of(document, envoy_binary), base("example").plan).asker
    assert "failure_mode_allow" not in asker
    assert asker["mutation_rules"] == {"disallow_is_error": True}
