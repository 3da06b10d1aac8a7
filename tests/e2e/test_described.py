"""openapi-validation behind each gateway."""

import json
from pathlib import Path

import pytest

from harness import http1
from harness.described import document, operation
from harness.outrider import Outrider, outrider, plugin, service
from harness.upstream import Answer, Upstream

RESPONSES = pytest.mark.parametrize("protocol", ["ext_proc", "kong"])  # ext_authz sees none
JSON = ("content-type", "application/json")


def told(message: http1.Message) -> list[dict[str, str]]:
    assert message.get("content-type") == "application/problem+json"
    found: list[dict[str, str]] = json.loads(message.body).get("errors", [])
    return found


@pytest.mark.parametrize("path", ["/described/orders/7?limit=5", "/described/%6Frders/7", "/described/x/../orders/7"])
def test_what_is_described_reaches_upstream(gateway: Outrider, upstream: Upstream, path: str) -> None:
    assert gateway.request(path).status == 200
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/described/orders/x", {"in": "path", "name": "id", "message": "must be of type integer"}),
        ("/described/orders/7?limit=1&limit=2", {"in": "query", "name": "limit", "message": "stands more than once"}),
    ],
)
def test_what_is_not_described_is_refused(
    gateway: Outrider, upstream: Upstream, path: str, error: dict[str, str]
) -> None:
    response = gateway.request(path)
    assert (response.status, told(response)) == (400, [error])
    assert not upstream.requests


def test_a_path_or_method_that_is_not_described_is_refused(gateway: Outrider, upstream: Upstream) -> None:
    assert gateway.request("/described/other").status == 404
    refused = gateway.request("/described/orders/7", method="DELETE")
    assert (refused.status, refused.get("allow")) == (405, "GET, HEAD")
    assert not upstream.requests


def test_a_body_is_checked_before_it_goes_on(gateway: Outrider, upstream: Upstream) -> None:
    body = b'{ "item": "caf\\u00e9" }'
    assert gateway.request("/described/orders", JSON, method="POST", body=body).status == 200
    assert upstream.request.body == body
    for wrong, status in ((b'{"item":1}', 400), (b'{"item":"a","item":"b"}', 400), (b"", 400)):
        assert gateway.request("/described/orders", JSON, method="POST", body=wrong).status == status
    assert gateway.request("/described/orders", method="POST", body=body).status == 415
    assert told(gateway.request("/described/orders/7", method="GET", body=b"x")) == [
        {"in": "body", "pointer": "", "message": "is not declared"}
    ]
    assert len(upstream.requests) == 1


def test_a_body_in_pieces_is_checked_as_a_whole(gateway: Outrider, upstream: Upstream) -> None:
    head = b"POST /described/orders HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    head += b"transfer-encoding: chunked\r\n\r\n"
    for item, status in ((b'"a"', 200), (b"1", 400)):
        pieces = [b'{"item":', item, b"}"]
        framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])
        assert http1.send(gateway.port, head + framed).status == status
    assert [request.body for request in upstream.requests] == [b'{"item":"a"}']


def test_what_is_only_reported_passes(gateway: Outrider, upstream: Upstream) -> None:
    assert gateway.request("/reported/orders/x").status == 200
    assert gateway.request("/reported/orders", method="POST", body=b"x").status == 200
    assert [request.body for request in upstream.requests] == [b"", b"x"]


@RESPONSES
def test_a_response_that_is_not_described_becomes_502(gateway: Outrider, upstream: Upstream) -> None:
    upstream.answer = Answer(headers=[("x-total", "1")])
    assert gateway.request("/answered/answers").status == 200
    upstream.answer = Answer(headers=[("x-total", "0")])
    response = gateway.request("/answered/answers")
    assert (response.status, told(response)) == (
        502,
        [{"in": "header", "name": "x-total", "message": "must be at least 1"}],
    )


def test_ext_authz_has_no_responses_to_check(tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(document({"/p": {"get": operation()}})))
    checked = plugin("openapi-validation", spec="openapi.json", responses=True)
    config = {"_format_version": "3.0", "gateway": {"protocol": "ext_authz"}, "services": [service("a", 1, checked)]}
    (tmp_path / "outrider.yaml").write_text(json.dumps(config))
    done = outrider("check", tmp_path / "outrider.yaml")
    assert done.returncode == 1
    assert "ext_authz has not" in done.stderr + done.stdout


def test_a_document_that_is_none_is_a_mistake_with_its_place(tmp_path: Path) -> None:
    described = document({"/p": {"get": operation(parameters=[{"$ref": "http://127.0.0.1:1/x"}])}})
    (tmp_path / "openapi.json").write_text(json.dumps(described))
    config = {
        "_format_version": "3.0",
        "services": [service("a", 1, plugin("openapi-validation", spec="openapi.json"))],
    }
    (tmp_path / "outrider.yaml").write_text(json.dumps(config))
    done = outrider("check", tmp_path / "outrider.yaml")
    assert done.returncode == 1
    assert "#/paths/~1p/get/parameters/0 has a $ref that leaves the document" in done.stderr + done.stdout
    assert (done.stderr + done.stdout).count("\n") == 1
