"""Ways to break an Envoy that fits its file, each at one place."""

from typing import Any, NamedTuple

from harness.bootstrap import EXTENSIONS, FILTERS, typed
from harness.inspected import Break, Inspected, setting
from harness.rendering import Section

MATCHED = f"{EXTENSIONS}.common.matching.v3.ExtensionWithMatcher"


class Case(NamedTuple):
    """A rule, the base whose Envoy is broken, how, and what is said. A `?` in front: only a warning."""

    rule: Any
    base: str
    broken: Break
    words: str


def manager(**fields: Any) -> Break:
    return setting(lambda envoy: envoy.manager, **fields)


def asker(**fields: Any) -> Break:
    return setting(lambda envoy: envoy.asker, **fields)


def service(**fields: Any) -> Break:
    return setting(lambda envoy: envoy.asker["grpc_service"], **fields)


def workers(**fields: Any) -> Break:
    return setting(lambda envoy: envoy.workers, **fields)


def overrides(route: str, **fields: Any) -> Break:
    return setting(lambda envoy: envoy.said(route)["overrides"], **fields)


def mode(route: str, **fields: Any) -> Break:
    return setting(lambda envoy: envoy.said(route)["overrides"]["processing_mode"], **fields)


def check(route: str, **fields: Any) -> Break:
    return setting(lambda envoy: envoy.said(route)["check_settings"], **fields)


def on(route: str, name: str, config: Section | None) -> Break:
    """What a route says to the filter of that name."""
    return setting(lambda envoy: envoy.route(route)["typed_per_filter_config"], **{name: config})


def behind(kind: str, **fields: Any) -> Break:
    """Another filter right behind the guard."""

    def insert(envoy: Inspected) -> None:
        envoy.filters.insert(2, {"name": "other", "typed_config": typed(f"{FILTERS}.{kind}", **fields)})

    return insert


def before(kind: str, **fields: Any) -> Break:
    """Another filter in front of all."""

    def insert(envoy: Inspected) -> None:
        envoy.filters.insert(0, {"name": "other", "typed_config": typed(f"{FILTERS}.{kind}", **fields)})

    return insert


def no_proxies(envoy: Inspected) -> None:
    envoy.listener["filter_chains"].pop()


def no_guard(envoy: Inspected) -> None:
    del envoy.filters[1]


def guard_before(envoy: Inspected) -> None:
    envoy.filters.insert(0, envoy.filters.pop(1))


def guard_rules(**fields: Any) -> Break:
    return setting(lambda envoy: envoy.filters[1]["typed_config"]["rules"], **fields)


def skipped(envoy: Inspected) -> None:
    inner = {"name": "inner", "typed_config": envoy.filters[0]["typed_config"]}
    envoy.filters[0]["typed_config"] = typed(MATCHED, extension_config=inner)


def other_listener(*chain_filters: Section) -> Break:
    """A second listener, which has come from outside."""

    def add(envoy: Inspected) -> None:
        found = {"name": "second", "filter_chains": [{"filters": list(chain_filters)}]}
        dump = envoy.section("ListenersConfigDump")
        dump["dynamic_listeners"] = [{"name": "second", "active_state": {"listener": found}}]

    return add


def http(cluster: str, **fields: Any) -> Section:
    """An HTTP manager without a filter, whose routes all lead there."""
    hosts = [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": cluster}}]}]
    kind = f"{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager"
    config = {"route_config": {"virtual_hosts": hosts}} | fields
    return {
        "name": "http",
        "typed_config": typed(kind, **{name: one for name, one in config.items() if one is not None}),
    }


def tcp(cluster: str) -> Section:
    return {
        "name": "tcp",
        "typed_config": typed(f"{EXTENSIONS}.filters.network.tcp_proxy.v3.TcpProxy", cluster=cluster),
    }


def one_endpoint(envoy: Inspected) -> None:
    """Twice the same."""
    (group,) = envoy.endpoints
    group["lb_endpoints"] = [group["lb_endpoints"][0]] * 2


def no_cluster(envoy: Inspected) -> None:
    envoy.workers["name"] = "elsewhere"


def upgrades_of_their_own(envoy: Inspected) -> None:
    envoy.manager["upgrade_configs"] = [{"upgrade_type": "websocket", "filters": envoy.filters[-1:]}]


def old(envoy: Inspected) -> None:
    bootstrap = envoy.section("BootstrapConfigDump")["bootstrap"]
    del bootstrap["layered_runtime"]
    bootstrap["node"]["user_agent_build_version"]["version"] = {"major_number": 1, "minor_number": 36}


def no_askers(envoy: Inspected) -> None:
    del envoy.filters[:-1]


def early(*mutations: Section) -> Break:
    extension = {
        "name": "early",
        "typed_config": typed(f"{EXTENSIONS}.early.HeaderMutation", mutations=list(mutations)),
    }
    return manager(early_header_mutation_extensions=[extension])


def mixed_up(envoy: Inspected) -> None:
    envoy.asker["@type"] = f"{FILTERS}.ext_authz.v3.ExtAuthz"
