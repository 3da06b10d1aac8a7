"""Reply headers: set over upstream's own whatever answers, without a message for the response."""

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
import yaml

from harness import http1
from harness.kong_behind import behind
from harness.outrider import Outrider, outrider, plugin, service
from harness.sample import PLUGINS, Protocol
from harness.upstream import Answer, Upstream

VALUES = [
    "plain",
    "100% %REQ(x)% %%",
    "a, b,c",
    'say "hi" \\ there',
    "grün €",
    "a\tb",
    "%DYNAMIC_METADATA(outrider)%",
]


@pytest.fixture(scope="module")
def noting(
    request: pytest.FixtureRequest, shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outrider]:
    protocol: Protocol = request.param
    port = shared_upstream.port
    services = [
        service("noted", port, plugin("reply-note"), plugin("stop")),
        service("other", port, plugin("reply-note", header="x-other")),
        service("dead", 1, plugin("reply-note")),
    ]
    config = {"services": services, "gateway": {"protocol": protocol, "plugin_dirs": [PLUGINS], "workers": 1}}
    with behind(tmp_path_factory.mktemp(protocol), config) as gateway:
        yield gateway.ready()


ALL = pytest.mark.parametrize("noting", ["ext_proc", "ext_authz", "kong"], indirect=True)
EXT_PROC = pytest.mark.parametrize("noting", ["ext_proc"], indirect=True)


def raw(text: str) -> str:
    """As `http1` reads it."""
    return text.encode().decode("latin-1")


@ALL
@pytest.mark.parametrize("value", VALUES)
def test_a_value_arrives_as_it_is(noting: Outrider, upstream: Upstream, value: str) -> None:
    response = noting.request("/noted", ("x-note", raw(value)))
    assert (response.status, response.all("x-note")) == (200, [raw(value)])


@ALL
@pytest.mark.parametrize("values", [["theirs"], ["theirs", "again"]])
def test_upstreams_own_values_are_replaced(noting: Outrider, upstream: Upstream, values: list[str]) -> None:
    upstream.answer = Answer(headers=[("x-note", value) for value in values])
    assert noting.request("/noted", ("x-note", "ours")).all("x-note") == ["ours"]


@ALL
def test_where_no_plugin_sets_one_upstreams_own_stays(noting: Outrider, upstream: Upstream) -> None:
    upstream.answer = Answer(headers=[("x-note", "theirs"), ("x-note", "again")])
    assert noting.request("/noted").all("x-note") == ["theirs", "again"]


@ALL
def test_several_values_are_one_list(noting: Outrider, upstream: Upstream) -> None:
    # Envoy writes them in one line, Kong each in its own: the same (RFC 9110, section 5.3).
    assert ", ".join(noting.request("/noted", ("x-note", "one"), ("x-note-2", "two")).all("x-note")) == "one, two"


@ALL
def test_each_route_has_its_own_names(noting: Outrider, upstream: Upstream) -> None:
    upstream.answer = Answer(headers=[("x-note", "theirs"), ("x-other", "theirs")])
    given = ("x-note", "ours")
    noted, other = noting.request("/noted", given), noting.request("/other", given)
    assert (noted.get("x-note"), noted.get("x-other")) == ("ours", "theirs")
    assert (other.get("x-note"), other.get("x-other")) == ("theirs", "ours")


@ALL
def test_the_gateways_own_error_has_them(noting: Outrider) -> None:
    response = noting.request("/dead", ("x-note", "there"))
    assert response.status in {502, 503}
    assert response.all("x-note") == ["there"]
    assert json.loads(response.body)["message"]


@ALL
def test_a_refusal_by_a_later_plugin_has_them(noting: Outrider, upstream: Upstream) -> None:
    response = noting.request("/noted", ("x-note", "there"), ("x-stop", "1"))
    assert (response.status, response.all("x-note")) == (403, ["there"])
    assert not upstream.requests


@ALL
def test_where_no_route_takes_a_request_there_are_none(noting: Outrider) -> None:
    response = noting.request("/nowhere", ("x-note", "there"))
    assert (response.status, response.all("x-note")) == (404, [])


@ALL
def test_a_head_request_has_them(noting: Outrider, upstream: Upstream) -> None:
    assert noting.request("/noted", ("x-note", "there"), method="HEAD").all("x-note") == ["there"]


@ALL
def test_one_requests_value_is_never_anothers(noting: Outrider, upstream: Upstream) -> None:
    with http1.connect(noting.port) as connection, connection.makefile("rb") as stream:
        for note in (b"x-note: one\r\n", b"", b"x-note: three\r\n"):
            connection.sendall(b"GET /noted HTTP/1.1\r\nhost: a\r\n" + note + b"\r\n")
            response = http1.read(stream)
            assert response
            assert response.all("x-note") == ([note.decode().split()[1]] if note else [])


@EXT_PROC
def test_they_cost_no_message_for_the_response(noting: Outrider) -> None:
    document = yaml.safe_load(outrider("render", "envoy", noting.file).stdout)
    modes = list(_found(document, "processing_mode"))
    assert len(modes) > 1
    assert {mode["response_header_mode"] for mode in modes} == {"SKIP"}


def _found(node: Any, key: str) -> Iterator[Any]:
    """Everything that stands below a key, anywhere."""
    if isinstance(node, dict):
        inner = cast("dict[str, Any]", node)
        yield from ([inner[key]] if key in inner else [])
        node = list(inner.values())
    if isinstance(node, list):
        for each in iter(node):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            yield from _found(each, key)
