"""What Kong can't do is said when the file is loaded, each with its line and a remedy."""

from pathlib import Path

import pytest

from outrider import LogRecord, Needs, Plugin, Request, Response
from outrider.config import Configuration, build
from outrider.config.document import parse
from outrider.config.mistake import ConfigError
from outrider.needs import HOOKS, Hook
from outrider_kong.capabilities import unsupported
from outrider_kong.names import chain_for, phases_of

GUIDE = Path(__file__).parents[2] / "docs" / "guide-kong.md"
UUID = "4c21f53a-cad9-506d-a392-a947a07b18f5"


class Chunks(Plugin):
    """Works on bodies as they pass; `optional` says whether it can do without."""

    optional: bool = False

    def needs(self) -> Needs:
        return Needs(optional=frozenset({"on_request_chunk", "on_response_chunk"} if self.optional else ()))

    def on_request_chunk(self, request: Request, chunk: bytes, last: bool, /) -> bytes:
        return chunk

    def on_response_chunk(self, request: Request, response: Response, chunk: bytes, last: bool, /) -> bytes:
        return chunk


class Everything(Plugin):
    """Every hook that Kong has."""

    def on_request(self, request: Request, /) -> None: ...

    def on_request_body(self, request: Request, body: bytes, /) -> bytes:
        return body

    def on_response(self, request: Request, response: Response, /) -> None: ...

    def on_response_body(self, request: Request, response: Response, body: bytes, /) -> bytes:
        return body

    def on_log(self, request: Request, log: LogRecord, /) -> None: ...


def read(text: str) -> Configuration:
    document = parse(f'_format_version: "3.0"\n{text}', "o.yaml", Path())
    return build(document, {"chunks": Chunks, "everything": Everything}, also=unsupported)


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        read(text)
    return str(error.value).splitlines()


def service(plugins: str = "", **fields: str) -> str:
    given = {"name": "a", "url": "http://127.0.0.1:1", "routes": "[{name: a, paths: [/a]}]", **fields}
    return "services:\n  - " + "\n    ".join(f"{name}: {value}" for name, value in given.items()) + f"\n{plugins}"


def test_hooks_on_chunks_are_refused_one_by_one() -> None:
    assert mistakes(service("plugins:\n  - name: chunks")) == [
        f"o.yaml:7: plugin chunks: needs {hook}, and Kong shows plugins no bodies piece by piece: "
        "leave the plugin out, or run it behind Envoy"
        for hook in ("on_request_chunk", "on_response_chunk")
    ]


def test_hooks_that_a_plugin_can_live_without_are_not_refused() -> None:
    assert read(service("plugins: [{name: chunks, config: {optional: true}}]")).plugins


def test_all_other_hooks_are_served_and_https_upstreams_too() -> None:
    assert read(service("plugins: [{name: everything}]", url="https://orders.internal")).services


@pytest.mark.parametrize("name", ["orders", UUID.replace("-", ""), f"{{{UUID}}}", "1"])
def test_an_id_that_is_no_uuid_is_refused_wherever_it_stands(name: str) -> None:
    nested = service(id=repr(name), routes=f"[{{name: a, paths: [/a], id: {name!r}}}]")
    found = mistakes(f"{nested}consumers:\n  - username: alice\n    id: {name!r}")
    assert {line.split(": ")[1] for line in found} == {
        "services[a].id",
        "services[a].routes[a].id",
        "consumers[alice].id",
    }
    assert all(
        line.endswith("is no UUID, and Kong takes no other id: write a UUID, or leave the id out") for line in found
    )


def test_a_uuid_is_an_id_in_either_case() -> None:
    assert read(service(id=UUID)).services[0].id == UUID
    assert read(service(id=UUID.upper())).services[0].id == UUID.upper()


@pytest.mark.parametrize("tag", ["a,b", "a/b", "a\\tb"])
def test_a_tag_that_kong_refuses_is_refused(tag: str) -> None:
    (found,) = mistakes(service(tags=f'[good, "{tag}"]'))
    assert found.startswith("o.yaml:6: services[a].tags[1]: ")
    assert found.endswith("which Kong's tags have not: write the tag without")


@pytest.mark.parametrize("host", ["1", "10.0.0", "10.0.0.256", "1.2.3.4.5"])
def test_a_host_of_digits_that_is_no_address_is_refused(host: str) -> None:
    (upstream,) = mistakes(service(url=f"http://{host}:9001"))
    assert upstream.startswith(f'o.yaml:3: service a: has the host "{host}", which is no address')
    (matched,) = mistakes(service(routes=f"[{{name: a, hosts: ['{host}']}}]"))
    assert matched.startswith(f'o.yaml:5: services[a].routes[a].hosts[0]: "{host}" is no address')


def test_names_and_addresses_are_hosts() -> None:
    hosts = "[{name: a, hosts: [10.0.0.1, a1.example, 1.example]}]"
    assert read(service(url='"http://[::1]:9001"', routes=hosts)).routes


@pytest.mark.parametrize(
    "text",
    ["services: 5", "services: [5, null]", "services: [{name: a, tags: 5, routes: {}}]", "consumers: [{id: 5}]",
     "services: [{name: a, url: 'http://b', routes: [{hosts: [5], paths: [/a]}], id: 5}]"],
)  # fmt: skip
def test_a_file_with_other_mistakes_is_told_of_these(text: str) -> None:
    assert mistakes(text)


def test_limits_that_kong_asks_nobody_for_are_refused() -> None:
    (found,) = mistakes("gateway: {rate_limit_service: {domains: [{domain: shop}]}}")
    assert found.startswith(
        "o.yaml:2: gateway.rate_limit_service: is for an Envoy's rate limit filter; Kong has none"
    )
    assert found.endswith("so these limits would hold for nobody: put the plugin rate-limit in its place")


@pytest.mark.parametrize("name", ["pre-function", "post-function"])
def test_a_function_of_kongs_is_told_who_has_its_place(name: str) -> None:
    (found,) = mistakes(service(f"plugins: [{{name: {name}}}]"))
    assert found.endswith(
        "write what it does as a plugin in Python; behind Kong, Outrider's own function has its place"
    )


class Narrow(Plugin):
    """Has every hook, and needs one."""

    hook: Hook

    def needs(self) -> Needs:
        return Needs(hooks=frozenset({self.hook}))

    def on_request(self, request: Request, /) -> None: ...

    def on_request_body(self, request: Request, body: bytes, /) -> None: ...

    def on_request_chunk(self, request: Request, chunk: bytes, last: bool, /) -> bytes:
        return chunk

    def on_response(self, request: Request, response: Response, /) -> None: ...

    def on_response_body(self, request: Request, response: Response, body: bytes, /) -> None: ...

    def on_response_chunk(self, request: Request, response: Response, chunk: bytes, last: bool, /) -> bytes:
        return chunk

    def on_log(self, request: Request, log: LogRecord, /) -> None: ...


@pytest.mark.parametrize("hook", HOOKS)
def test_the_guide_says_of_each_hook_what_is_so(hook: Hook) -> None:
    rows = [line.split("|") for line in GUIDE.read_text().splitlines() if line.count("|") == 5]
    (row,) = [row for row in rows if f"`{hook}`" in row[1]]
    phase, chain = (cell.strip(" `") for cell in row[2:4])
    text = f'_format_version: "3.0"\n{service(f"plugins: [{{name: narrow, config: {{hook: {hook}}}}}]")}'
    refused = False
    try:
        build(parse(text, "o.yaml", Path()), {"narrow": Narrow}, also=unsupported)
    except ConfigError:
        refused = True
    assert (chain == "refused") is refused
    if not refused:
        assert phase == phases_of({hook})[-1]
        assert chain == chain_for({hook})
