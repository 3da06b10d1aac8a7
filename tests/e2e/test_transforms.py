"""request-transform and response-transform on bodies, paths, methods and statuses, behind each gateway that can."""

import gzip
import json
from pathlib import Path

import pytest

from harness.outrider import Outrider, outrider, plugin, service
from harness.upstream import Answer, Upstream

# ext_authz can replace no body, and sees no response.
pytestmark = pytest.mark.parametrize("protocol", ["ext_proc", "kong"])
JSON = ("content-type", "application/json")


def test_a_json_body_its_path_and_its_method_change(gateway: Outrider, upstream: Upstream) -> None:
    body = b'{"id": 12345678901234567890, "secret": 1, "price": 1.10}'
    path = "/rewritten/orders/a%20b/c?x=1"
    response = gateway.request(path, JSON, ("x-who", "a b/c"), ("digest", "old"), method="POST", body=body)
    seen = upstream.request
    assert (seen.method, seen.path) == ("PUT", "/orders/of/a%20b%2Fc/a%20b/c?x=1")
    assert seen.body == b'{"id":12345678901234567890,"price":1.10,"n":1.5,"route":"rewritten"}'
    assert (seen.get("content-length"), seen.get("digest")) == (str(len(seen.body)), None)
    assert response.status == 200


def test_a_form_changes(gateway: Outrider, upstream: Upstream) -> None:
    kind = ("content-type", "application/x-www-form-urlencoded")
    gateway.request("/rewritten", kind, method="POST", body=b"a=%zz&secret=1&b")
    assert upstream.request.body == b"a=%zz&b&route=rewritten"


def test_a_packed_body_changes_and_stays_packed(gateway: Outrider, upstream: Upstream) -> None:
    body = gzip.compress(b'{"secret": 1}')
    gateway.request("/rewritten", JSON, ("content-encoding", "gzip"), method="POST", body=body)
    assert upstream.request.get("content-encoding") == "gzip"
    assert gzip.decompress(upstream.request.body) == b'{"n":1.5,"route":"rewritten"}'


@pytest.mark.parametrize("body", [b'{"a": 1, "a": 2}', b"{", b"[" * 600])
def test_a_body_that_cannot_be_read_is_refused_or_passes_as_it_is(
    gateway: Outrider, upstream: Upstream, body: bytes
) -> None:
    assert gateway.request("/rewritten", JSON, method="POST", body=body).status == 400
    assert not upstream.requests
    assert gateway.request("/passing", JSON, method="POST", body=body).status == 200
    assert upstream.request.body == body


@pytest.mark.parametrize(
    ("kind", "body"), [("application/json", b'{"a" :  2 }'), ("text/plain", b"{"), ("application/json", b"")]
)
def test_a_body_that_needs_no_change_stays_byte_for_byte(
    gateway: Outrider, upstream: Upstream, kind: str, body: bytes
) -> None:
    assert gateway.request("/passing", ("content-type", kind), method="POST", body=body).status == 200
    assert upstream.request.body == body


def test_a_request_whose_value_leads_elsewhere_is_refused(gateway: Outrider, upstream: Upstream) -> None:
    assert gateway.request("/rewritten/orders/a", ("x-who", "..")).status == 400
    assert gateway.request("/rewritten/orders/a").status == 400
    assert gateway.request("/rewritten/orders").status == 200
    assert (upstream.request.path, upstream.request.method) == ("/rewritten/orders", "PUT")


@pytest.mark.parametrize("packed", [False, True])
def test_a_json_response_and_its_status_change(gateway: Outrider, upstream: Upstream, packed: bool) -> None:
    body = b'{"secret": 1, "n": 1.10}'
    coding = [("content-encoding", "gzip")] if packed else []
    chunks = [gzip.compress(body)] if packed else [body[:5], body[5:]]
    upstream.answer = Answer(503, [JSON, ("etag", '"1"'), *coding], chunks)
    response = gateway.request("/softened", ("accept-encoding", "br, gzip"), ("range", "bytes=0-1"))
    assert (response.status, response.get("x-code"), response.get("etag")) == (418, "503", None)
    assert (gzip.decompress(response.body) if packed else response.body) == b'{"n":1.10,"code":503}'
    assert (upstream.request.get("accept-encoding"), upstream.request.get("range")) == ("gzip", None)


def test_a_response_of_another_status_stays_byte_for_byte(gateway: Outrider, upstream: Upstream) -> None:
    upstream.answer = Answer(201, [JSON, ("etag", '"1"')], [b'{"secret" : 1}'])
    response = gateway.request("/softened")
    assert (response.status, response.body, response.get("etag")) == (201, b'{"secret" : 1}', '"1"')


def test_a_response_that_cannot_be_read_is_refused(gateway: Outrider, upstream: Upstream) -> None:
    upstream.answer = Answer(500, [JSON], [b'{"secret": 1'])
    response = gateway.request("/softened")
    assert (response.status, b"secret" in response.body) == (502, False)


def test_another_body_takes_the_place_of_upstreams(gateway: Outrider, upstream: Upstream) -> None:
    upstream.answer = Answer(500, [("content-type", "text/html")], [b"<p>at line 7</p>"])
    response = gateway.request("/hidden/a")
    assert (response.status, response.get("content-type")) == (500, "application/json")
    assert json.loads(response.body) == {"path": "/hidden/a"}


@pytest.mark.parametrize("config", [{"add": {"json": {"/a": 1}}}, {"remove": {"form": ["a"]}}, {"body": {}}])
def test_a_new_body_is_refused_behind_ext_authz_when_the_file_is_loaded(
    tmp_path: Path, protocol: str, config: dict[str, object]
) -> None:
    del protocol
    file = tmp_path / "outrider.yaml"
    transformed = service("a", 1, plugin("request-transform", **config))
    file.write_text(
        json.dumps({"_format_version": "3.0", "gateway": {"protocol": "ext_authz"}, "services": [transformed]})
    )
    done = outrider("check", file)
    assert done.returncode == 1
    assert "ext_authz" in done.stderr + done.stdout
