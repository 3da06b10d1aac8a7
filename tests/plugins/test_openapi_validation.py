"""openapi-validation as a plugin: what it refuses, reports and lets pass."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from harness.described import OK, Json, ask, document, errors, operation, plugin, taking
from outrider import Headers, Request, Response, Runtime
from outrider.metrics import Metrics
from outrider.testing import Outcome, Runner, run
from outrider_plugins.openapi_validation import OpenapiValidation

LIMIT: Json = {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}}
ORDER: Json = {"type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]}
ORDERS: Json = {
    "/orders": {
        "get": operation(parameters=[LIMIT]),
        "post": taking(ORDER),
        "put": taking({}, "application/octet-stream"),
    },
    "/orders/{id}": {
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
        "get": operation(),
        "head": operation(parameters=[{**LIMIT, "required": True}]),
    },
}
JSON: Json = {"content_type": "application/json"}


@pytest.fixture
def orders(tmp_path: Path) -> OpenapiValidation:
    return plugin(tmp_path, document(ORDERS))


def test_what_fits_passes(orders: OpenapiValidation) -> None:
    assert ask(orders, "GET", "/orders?limit=5").status == 200
    assert ask(orders, "GET", "/orders/7").status == 200
    assert ask(orders, "POST", "/orders", b'{"item":"a"}', **JSON).upstream_body == b'{"item":"a"}'


def test_a_refusal_is_a_problem(orders: OpenapiValidation) -> None:
    outcome = ask(orders, "GET", "/orders?limit=500", x_request_id="r-1")
    assert outcome.upstream is None
    assert outcome.headers["content-type"] == "application/problem+json"
    assert json.loads(outcome.body) == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "The request is not as the API describes it",
        "errors": [{"in": "query", "name": "limit", "message": "must be at most 100"}],
        "request_id": "r-1",
    }


def test_nothing_is_told_where_that_is_turned_off(tmp_path: Path) -> None:
    outcome = ask(plugin(tmp_path, document(ORDERS), errors=False), "GET", "/orders?limit=500")
    assert outcome.status == 400
    assert "errors" not in json.loads(outcome.body)


def test_a_grpc_call_is_refused_in_its_own_terms(orders: OpenapiValidation) -> None:
    outcome = ask(orders, "POST", "/shop.Orders/Get", b"x", content_type="application/grpc")
    assert (outcome.status, outcome.body) == (404, b"The API has no such path")


@pytest.mark.parametrize(
    ("method", "target", "status", "allow"),
    [
        ("GET", "/other", 404, None),
        ("GET", "/orders/", 404, None),
        ("GET", "/ORDERS", 404, None),
        ("DELETE", "/orders", 405, "GET, HEAD, POST, PUT"),
        ("OPTIONS", "/orders/7", 405, "GET, HEAD"),
        ("get", "/orders", 405, "GET, HEAD, POST, PUT"),
        ("HEAD", "/orders?limit=5", 200, None),
        ("HEAD", "/orders?limit=500", 400, None),
        ("HEAD", "/orders/7", 400, None),
    ],
)
def test_what_the_document_does_not_have_is_refused(
    orders: OpenapiValidation, method: str, target: str, status: int, allow: str | None
) -> None:
    outcome = ask(orders, method, target)
    assert (outcome.status, outcome.headers.get("allow")) == (status, allow)


def test_what_the_document_does_not_have_passes_where_it_may(tmp_path: Path) -> None:
    lenient = plugin(tmp_path, document(ORDERS), unknown="pass")
    for method, target in (("GET", "/other"), ("DELETE", "/orders")):
        assert ask(lenient, method, target, b"anything").status == 200
    assert ask(lenient, "GET", "/orders?limit=500").status == 400


@pytest.mark.parametrize(
    "path", ["/orders/../orders/x", "//orders/x", "/%6Frders/x", "/./orders/x", "/a/%2e%2e/orders/x"]
)
def test_a_path_is_judged_in_its_normal_form(orders: OpenapiValidation, path: str) -> None:
    assert errors(ask(orders, "GET", path)) == ["path id: must be of type integer"]
    assert ask(orders, "GET", path.removesuffix("x") + "7").status == 200


@pytest.mark.parametrize("path", ["/orders/7%2F8", "/orders/%37%00", "/orders/7;a=b", "/orders/%2537"])
def test_a_segment_is_decoded_once_and_stays_one(orders: OpenapiValidation, path: str) -> None:
    assert errors(ask(orders, "GET", path)) == ["path id: must be of type integer"]


@pytest.mark.parametrize(
    ("servers", "base_path", "good", "bad"),
    [
        ([{"url": "https://api.example/v1/"}], None, ["/v1/orders"], ["/orders"]),
        ([{"url": "/a"}, {"url": "/b"}], None, ["/a/orders", "/b/orders"], ["/orders"]),
        (
            [{"url": "https://x/{v}", "variables": {"v": {"enum": ["v1", "v2"], "default": "v1"}}}],
            None,
            ["/v1/orders", "/v2/orders"],
            ["/v3/orders"],
        ),
        ([{"url": "https://api.example/v1"}], "/shop", ["/shop/orders"], ["/v1/orders"]),
        ([{"url": "https://api.example/v1"}], "/", ["/orders"], ["/v1/orders"]),
    ],
)
def test_paths_begin_with_those_of_the_servers(
    tmp_path: Path, servers: list[Json], base_path: str | None, good: list[str], bad: list[str]
) -> None:
    validation = plugin(tmp_path, document(ORDERS, servers=servers), base_path=base_path)
    assert all(ask(validation, "GET", path).status == 200 for path in good)
    assert all(ask(validation, "GET", path).status == 404 for path in bad)


def test_an_operation_may_have_servers_of_its_own(tmp_path: Path) -> None:
    paths = {"/a": {"servers": [{"url": "/x"}], "get": operation(), "put": operation(servers=[{"url": "/y"}])}}
    validation = plugin(tmp_path, document(paths, servers=[{"url": "/z"}]))
    found = [ask(validation, method, path).status for method in ("GET", "PUT") for path in ("/x/a", "/y/a", "/z/a")]
    assert found == [200, 405, 404, 405, 200, 404]


@pytest.mark.parametrize(
    ("body", "headers", "told"),
    [
        (b"", {}, "body: is missing"),
        (b"", {"content_length": "0", **JSON}, "body: is missing"),
        (b'{"item":1}', JSON, "body /item: must be of type string"),
        (b"[", {"content_length": "1", **JSON}, "body: is no JSON"),
    ],
)
def test_a_body_that_does_not_fit_is_refused(
    orders: OpenapiValidation, body: bytes, headers: Json, told: str
) -> None:
    assert errors(ask(orders, "POST", "/orders", body, **headers)) == [told]


@pytest.mark.parametrize("headers", [{}, {"content_length": "1"}, {"transfer_encoding": "chunked"}, JSON])
def test_a_body_that_the_document_does_not_have_is_refused(orders: OpenapiValidation, headers: Json) -> None:
    assert errors(ask(orders, "GET", "/orders", b"x", **headers)) == ["body: is not declared"]
    assert ask(orders, "GET", "/orders", b"", content_length="0").status == 200


def test_a_large_body_is_refused_and_one_that_nothing_is_known_of_is_not_read(tmp_path: Path) -> None:
    small = plugin(tmp_path, document(ORDERS), max_body=20)
    assert ask(small, "POST", "/orders", b"", content_length="21", **JSON).status == 413
    assert ask(small, "POST", "/orders", b'{"item":"aaaaaaaaaaaaaaaaa"}', **JSON).status == 413
    cases: list[Json] = [{"content_length": "100"}, {"transfer_encoding": "chunked"}, {}]
    for headers in cases:
        octets: Json = {"content_type": "application/octet-stream", **headers}
        outcome = ask(small, "PUT", "/orders", b"x" * 100, **octets)
        assert (outcome.status, outcome.upstream_body) == (200, b"x" * 100)


def test_only_the_hooks_that_are_needed_run(tmp_path: Path) -> None:
    asked = {
        (requests, responses): plugin(tmp_path, document(ORDERS), requests=requests, responses=responses).hooks()
        for requests, responses in ((True, False), (False, True), (True, True))
    }
    requests, responses = {"on_request", "on_request_body"}, {"on_request", "on_response", "on_response_body"}
    assert asked == {(True, False): requests, (False, True): responses, (True, True): requests | responses}


def test_report_lets_pass_and_logs_places_and_no_values(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    report = plugin(tmp_path, document(ORDERS), mode="report", unknown_query="refuse")
    metrics = Metrics()

    async def reported() -> None:
        async with Runner([report], Runtime(metrics=metrics)) as runner:
            for request, body in (
                (Request("GET", "/orders?limit=s3cret&s3cret%0A=1"), b""),
                (Request("POST", "/orders", headers=[("content-type", "application/json")]), b'{"item":["s3cret"]}'),
                (Request("GET", "/s3cret"), b""),
                (Request("S3CRET", "/orders"), b""),
            ):
                assert (await runner.send(request, body)).status == 200

    with caplog.at_level(logging.WARNING):
        asyncio.run(reported())
    would = "a request would be refused with"
    assert [one.getMessage() for one in caplog.records] == [
        f"{would} 400 (GET): /orders: query limit must be of type integer; query * is not declared",
        f"{would} 400 (POST): /orders: body /item must be of type string",
        f"{would} 404 (GET): The API has no such path",
        f"{would} 405 (another method): The API has no such method at this path",
    ]
    counted = metrics.counter(
        "outrider_openapi_misfits_total",
        "Requests and responses that are not as their OpenAPI document describes them.",
        of="request",
        mode="report",
    )
    assert counted.value == 4


ANSWERS: Json = {
    "/orders": {
        "get": {
            "responses": {
                "200": {
                    "description": "orders",
                    "headers": {"X-Total": {"required": True, "schema": {"type": "integer"}}},
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "properties": {"pin": {"writeOnly": True}, "n": {"minimum": 1}},
                            }
                        }
                    },
                },
                "4XX": {"description": "no"},
            }
        }
    }
}


def answered(validation: OpenapiValidation, status: int, body: bytes, method: str = "GET", **headers: Any) -> Outcome:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(validation, method, "/orders", response=Response(status, body=body, headers=fields))


@pytest.mark.parametrize(
    ("status", "body", "headers", "told"),
    [
        (200, b'{"n":1}', {"x_total": "1", **JSON}, None),
        (404, b"anything", {"content_type": "text/html"}, None),
        (500, b"", {}, "status: is not declared"),
        (200, b"{}", JSON, "header x-total: is missing"),
        (200, b"{}", {"x_total": "x", **JSON}, "header x-total: must be of type integer"),
        (200, b'{"n":0}', {"x_total": "1", **JSON}, "body /n: must be at least 1"),
        (200, b'{"pin":0}', {"x_total": "1", **JSON}, "body /pin: must not be answered: it is writeOnly"),
        (
            200,
            b"<p>",
            {"x_total": "1", "content_type": "text/html"},
            "body: has a content type that is not declared or checked",
        ),
        (
            200,
            b"x",
            {"x_total": "1", "content_encoding": "br", **JSON},
            "body: is too large, or packed so that it can't be read",
        ),
    ],
)
def test_a_response_that_does_not_fit_becomes_502(
    tmp_path: Path, status: int, body: bytes, headers: Json, told: str | None
) -> None:
    validation = plugin(tmp_path, document(ANSWERS), requests=False, responses=True)
    outcome = answered(validation, status, body, **headers)
    assert outcome.status == (status if told is None else 502)
    assert told is None or errors(outcome) == [told]
    report = plugin(tmp_path, document(ANSWERS), responses=True, mode="report")
    assert answered(report, status, body, **headers).body == body


def test_a_response_to_head_has_no_body_to_check(tmp_path: Path) -> None:
    validation = plugin(tmp_path, document(ANSWERS), responses=True)
    assert answered(validation, 200, b"", "HEAD", x_total="1", **JSON).status == 200
    assert answered(validation, 200, b"", x_total="1", **JSON).status == 502


@pytest.mark.parametrize(("sent", "asked"), [("gzip, br", "gzip"), ("br", "identity"), ("gzip;q=0", "identity")])
def test_upstream_packs_its_answers_only_as_they_can_be_read(tmp_path: Path, sent: str, asked: str) -> None:
    validation = plugin(tmp_path, document(ANSWERS), responses=True)
    upstream = ask(validation, "GET", "/orders", accept_encoding=sent).upstream
    assert upstream is not None
    assert upstream.headers["accept-encoding"] == asked
    assert "accept-encoding" not in run(validation, Request("GET", "/orders", headers=Headers())).upstream.headers  # type: ignore[union-attr]


def test_what_may_pass_unknown_has_no_response_to_check(tmp_path: Path) -> None:
    validation = plugin(tmp_path, document({"/p": {"get": operation(responses=OK)}}), responses=True, unknown="pass")
    assert answered(validation, 500, b"x").status == 500


def test_large_bodies_let_other_requests_have_their_turn(tmp_path: Path) -> None:
    validation = plugin(tmp_path, document({"/p": {"post": taking({"items": {"type": "integer"}})}}))
    for body, status in ((b"[" + b"1," * 50_000 + b"1]", 200), (b"[" + b"1," * 50_000 + b'"a"]', 400)):
        assert ask(validation, "POST", "/p", body, **JSON).status == status
    request: Any = Request("POST", "/p", headers=[("content-type", "application/json")])
    waiting = validation.on_request_body(request, b"[" + b"1," * 50_000 + b"1]")
    assert hasattr(waiting, "__await__")
    waiting.close()  # type: ignore[union-attr]
