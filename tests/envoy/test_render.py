"""Envoy's configuration, as far as it follows from the chains and the routes."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from outrider import Auth, Identity, LogRecord, Needs, Plugin, Request, Response
from outrider.auth import IDENTITY_HEADERS
from outrider.compiling import compile_chains, identity_headers
from outrider.config import Configuration, load
from outrider.metrics import Metrics
from outrider_envoy.capabilities import unsupported
from outrider_envoy.render import Plan, bootstrap

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


PLUGINS: dict[str, type[Plugin]] = {
    "headers": Headers,
    "client": Client,
    "request-body": RequestBody,
    "on-response": OnResponse,
    "response-body": ResponseBody,
    "logs": Logs,
    "tells": Tells,
    "optional": Optional,
    "knows": Knows,
}

HEAD = """
_format_version: "3.0"
gateway: {{listen: 127.0.0.1:8080, protocol: {protocol}}}
services:
  - name: orders
    url: {url}
    read_timeout: 7000
    routes: {routes}
plugins: {plugins}
"""


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(
        *plugins: str,
        routes: str = "[{name: one, paths: [/one]}, {name: two, paths: [/two]}]",
        url: str = "http://127.0.0.1:9001",
        protocol: str = "ext_proc",
    ) -> Configuration:
        path = tmp_path / "outrider.yaml"
        listed = "[" + ", ".join(plugins) + "]"
        path.write_text(HEAD.format(plugins=listed, routes=routes, url=url, protocol=protocol))
        return load(path, PLUGINS)

    return read


def rendered(configuration: Configuration) -> Section:
    chains = {chain.route.name: chain for chain in compile_chains(configuration, Metrics(slots=1 << 12))}
    plan = Plan(configuration, chains, identity_headers(configuration), ("unix:/run/w0", "unix:/run/w1"))
    return bootstrap(plan)


def manager(document: Section) -> Section:
    (listener,) = document["static_resources"]["listeners"]
    config: Section = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return config


def hosts(document: Section) -> dict[str, list[Section]]:
    return {host["name"]: host["routes"] for host in manager(document)["route_config"]["virtual_hosts"]}


def route(document: Section, name: str) -> Section:
    return next(one for one in hosts(document)["*"] if one["name"] == name)


def per_route(document: Section, name: str) -> Section:
    (config,) = route(document, name)["typed_per_filter_config"].values()
    found: Section = config
    return found


@pytest.mark.parametrize(
    ("plugin", "modes"),
    [
        # request header, body, trailer; response header, body, trailer
        ("headers", "SEND NONE SKIP SKIP NONE SKIP"),
        ("request-body", "SEND BUFFERED SEND SKIP NONE SKIP"),
        ("on-response", "SEND NONE SKIP SEND NONE SKIP"),
        ("response-body", "SEND NONE SKIP SEND BUFFERED SEND"),
        ("logs", "SEND NONE SKIP SEND NONE SEND"),
        ("tells", "SEND NONE SKIP SEND NONE SKIP"),
    ],
)
def test_a_phase_that_no_plugin_of_a_route_needs_is_not_sent(read: Read, plugin: str, modes: str) -> None:
    document = rendered(read(f"{{name: {plugin}, route: one}}", "{name: headers, route: two}"))
    kinds = ("header", "body", "trailer")
    names = [f"{message}_{kind}_mode" for message in ("request", "response") for kind in kinds]
    assert per_route(document, "one")["overrides"]["processing_mode"] == dict(zip(names, modes.split(), strict=True))
    assert per_route(document, "two")["overrides"]["processing_mode"]["response_header_mode"] == "SKIP"


def test_the_modes_of_several_plugins_are_added_up(read: Read) -> None:
    document = rendered(read("{name: request-body}", "{name: response-body, route: one}", "{name: logs, route: two}"))
    mode = per_route(document, "one")["overrides"]["processing_mode"]
    assert (mode["request_body_mode"], mode["response_body_mode"]) == ("BUFFERED", "BUFFERED")
    mode = per_route(document, "two")["overrides"]["processing_mode"]
    assert (mode["request_body_mode"], mode["response_body_mode"]) == ("BUFFERED", "NONE")


@pytest.mark.parametrize("protocol", ["ext_proc", "ext_authz"])
def test_a_route_without_plugins_asks_nobody(read: Read, protocol: str) -> None:
    document = rendered(read("{name: headers, route: one}", protocol=protocol))
    assert per_route(document, "two")["disabled"] is True
    assert per_route(document, "outrider_no_route")["disabled"] is True
    assert "disabled" not in per_route(document, "one")


def test_each_route_tells_the_workers_its_name(read: Read) -> None:
    document = rendered(read("{name: headers}"))
    metadata = per_route(document, "one")["overrides"]["grpc_initial_metadata"]
    assert metadata == [{"key": "outrider-route", "value": "one"}]
    document = rendered(read("{name: headers}", protocol="ext_authz"))
    assert per_route(document, "two")["check_settings"]["context_extensions"] == {"outrider-route": "two"}


def the_filter(document: Section) -> Section:
    config: Section = manager(document)["http_filters"][0]["typed_config"]
    return config


@pytest.mark.parametrize("protocol", ["ext_proc", "ext_authz"])
def test_nothing_passes_when_the_workers_fail(read: Read, protocol: str) -> None:
    assert the_filter(rendered(read("{name: headers}", protocol=protocol)))["failure_mode_allow"] is False


@pytest.mark.parametrize(
    ("plugins", "expected"),
    [
        (["{name: headers, config: {timeout: 250}}"], "0.750s"),
        (["{name: headers, config: {timeout: 2000}}", "{name: client, config: {timeout: 3000}}"], "5.500s"),
        (
            [
                "{name: headers, route: one, config: {timeout: 100}}",
                "{name: client, route: two, config: {timeout: 200}}",
            ],
            "0.700s",
        ),
    ],
)
def test_envoy_waits_longer_than_any_chain_may_take(read: Read, plugins: list[str], expected: str) -> None:
    assert the_filter(rendered(read(*plugins)))["message_timeout"] == expected
    authz = the_filter(rendered(read(*plugins, protocol="ext_authz")))
    assert authz["grpc_service"]["timeout"] == expected


@pytest.mark.parametrize(("plugin", "asked"), [("client", True), ("headers", False)])
def test_the_clients_address_is_asked_for_only_where_a_plugin_looks(read: Read, plugin: str, asked: bool) -> None:  # noqa: FBT001
    config = the_filter(rendered(read(f"{{name: {plugin}}}")))
    assert ("source.address" in config.get("request_attributes", [])) is asked


@pytest.mark.parametrize("protocol", ["ext_proc", "ext_authz"])
def test_identity_headers_are_removed_before_any_filter(read: Read, protocol: str) -> None:
    (extension,) = manager(rendered(read("{name: knows, route: one}", protocol=protocol)))[
        "early_header_mutation_extensions"
    ]
    removed = {mutation["remove"] for mutation in extension["typed_config"]["mutations"]}
    assert removed == IDENTITY_HEADERS | {"x-user-email"}


def test_paths_mean_one_thing(read: Read) -> None:
    config = manager(rendered(read("{name: headers}")))
    assert (config["normalize_path"], config["merge_slashes"]) == (True, True)
    assert config["path_with_escaped_slashes_action"] == "REJECT_REQUEST"
    assert config["common_http_protocol_options"]["headers_with_underscores_action"] == "REJECT_REQUEST"


def test_no_route_is_a_404_on_every_host(read: Read) -> None:
    routes = "[{name: one, paths: [/one]}, {name: two, hosts: [b.example, a.example]}]"
    found = hosts(rendered(read(routes=routes)))
    assert list(found) == ["a.example", "b.example", "*"]
    for host in found.values():
        assert host[-1]["match"] == {"prefix": "/"}
        assert host[-1]["direct_response"] == {"status": 404}


def test_every_host_has_all_routes_that_could_match_there_in_kongs_order(read: Read) -> None:
    routes = """[
      {name: path, paths: [/a]}, {name: longer, paths: [/a/b]}, {name: host, hosts: [a.example]},
      {name: both, hosts: [a.example], paths: [/a]}, {name: writes, methods: [PUT, POST]},
    ]"""
    found = {name: [one["name"] for one in rows[:-1]] for name, rows in hosts(rendered(read(routes=routes))).items()}
    assert found == {
        "a.example": ["both", "longer", "path", "host", "writes"],
        "*": ["longer", "path", "writes"],
    }


def test_a_host_is_matched_with_any_port(read: Read) -> None:
    config = manager(rendered(read(routes="[{name: one, hosts: [a.example]}]")))
    assert config["route_config"]["virtual_hosts"][0]["domains"] == ["a.example", "a.example:*"]


@pytest.mark.parametrize(
    ("methods", "matching", "others"),
    [("[GET]", ["GET"], ["GETS", "get", "POST"]), ("[PUT, POST]", ["PUT", "POST"], ["PUTPOST", "PUT|POST", ""])],
)
def test_methods_are_matched_whole(read: Read, methods: str, matching: list[str], others: list[str]) -> None:
    match = route(rendered(read(routes=f"[{{name: one, methods: {methods}}}]")), "one")["match"]
    (header,) = match["headers"]
    pattern = re.compile(header["string_match"]["safe_regex"]["regex"])
    assert header["name"] == ":method"
    assert all(pattern.fullmatch(method) for method in matching)
    assert not any(pattern.fullmatch(method) for method in others)


def upstream_path(document: Section, path: str) -> str:
    """What Envoy's regex_rewrite makes of a path."""
    rewrite = route(document, "one")["route"].get("regex_rewrite")
    if rewrite is None:
        return path
    regex, substitution = rewrite["pattern"]["regex"], rewrite["substitution"]
    return re.sub(regex, substitution, path)


@pytest.mark.parametrize(
    ("base", "prefix", "strip", "path", "expected"),
    [
        # https://developer.konghq.com/gateway/entities/route: path handling v0
        ("", "/s", "true", "/s/r", "/r"),
        ("", "/s", "true", "/s", "/"),
        ("", "/s", "true", "/s/", "/"),
        ("", "/s", "true", "/sr", "/r"),
        ("", "/s/", "true", "/s/r", "/r"),
        ("", "/s", "false", "/s/r", "/s/r"),
        ("", "/", "true", "/s/r", "/s/r"),
        ("/b", "/s", "true", "/s/r", "/b/r"),
        ("/b", "/s", "true", "/s", "/b/"),
        ("/b/", "/s", "true", "/s/r", "/b/r"),
        ("/b", "/s", "false", "/s/r", "/b/s/r"),
        ("/b/", "/s", "false", "/s/r", "/b/s/r"),
        ("/b", "/", "true", "/r", "/b/r"),
        ("/b", "/s.x", "true", "/s.x/r", "/b/r"),
    ],
)
def test_the_services_path_is_joined_to_the_rest(
    read: Read, base: str, prefix: str, strip: str, path: str, expected: str
) -> None:
    routes = f"[{{name: one, paths: [{prefix}], strip_path: {strip}}}]"
    document = rendered(read(routes=routes, url=f"'http://127.0.0.1:9001{base}'"))
    assert upstream_path(document, path) == expected


@pytest.mark.parametrize(
    ("url", "preserve", "host"),
    [
        ("http://127.0.0.1:9001", "false", "127.0.0.1:9001"),
        ("http://api.example:80", "false", "api.example"),
        ("http://api.example", "true", None),
    ],
)
def test_upstream_sees_the_services_host_unless_the_clients_is_kept(
    read: Read, url: str, preserve: str, host: str | None
) -> None:
    document = rendered(read(routes=f"[{{name: one, paths: [/], preserve_host: {preserve}}}]", url=url))
    assert route(document, "one")["route"].get("host_rewrite_literal") == host


def test_each_worker_is_an_endpoint(read: Read) -> None:
    document = rendered(read("{name: headers}"))
    cluster = next(one for one in document["static_resources"]["clusters"] if one["name"] == "outrider_workers")
    (group,) = cluster["load_assignment"]["endpoints"]
    assert [one["endpoint"]["address"]["pipe"]["path"] for one in group["lb_endpoints"]] == ["/run/w0", "/run/w1"]
    assert cluster["common_lb_config"]["healthy_panic_threshold"] == {"value": 0}


@pytest.mark.parametrize(
    ("plugin", "hook", "what"),
    [
        ("request-body", "on_request_body", "bodies"),
        ("on-response", "on_response", "a response phase"),
        ("response-body", "on_response_body", "a response phase"),
        ("logs", "on_log", "the end of a request"),
    ],
)
def test_what_ext_authz_has_not_is_refused_with_file_and_line(read: Read, plugin: str, hook: str, what: str) -> None:
    configuration = read("{name: headers}", f"\n  {{name: {plugin}}}", protocol="ext_authz")
    (mistake,) = unsupported(configuration)
    text = Path(mistake.file).read_text().splitlines()
    assert f"name: {plugin}" in text[mistake.line - 1]
    assert Path(mistake.file).name == "outrider.yaml"
    assert f"needs {hook}, and ext_authz has not {what}" in str(mistake)
    assert "set gateway.protocol to ext_proc" in str(mistake)


@pytest.mark.parametrize("plugin", ["headers", "client", "tells", "optional", "knows"])
def test_what_ext_authz_has_or_a_plugin_can_live_without_is_not_refused(read: Read, plugin: str) -> None:
    assert not unsupported(read(f"{{name: {plugin}}}", protocol="ext_authz"))


@pytest.mark.parametrize("plugin", sorted(PLUGINS))
def test_ext_proc_has_everything(read: Read, plugin: str) -> None:
    assert not unsupported(read(f"{{name: {plugin}}}"))


def test_an_https_upstream_is_refused_as_long_as_it_is_not_served(read: Read) -> None:
    (mistake,) = unsupported(read(url="https://api.example"))
    assert "the service orders has an https upstream, which is not served yet" in str(mistake)
