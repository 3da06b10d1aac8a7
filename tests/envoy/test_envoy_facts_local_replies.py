"""How Envoy's own errors become JSON while the replies of ours stay as they are."""

import json

import pytest

from harness.bootstrap import EXTENSIONS, Config, cluster, ext_authz, ext_proc, mode, route, typed
from harness.gateway import Start
from harness.http1 import request, send
from harness.say import deny, reply, sets, text
from harness.scripted import Authorizer, Processor, answers
from harness.upstream import Answer, Upstream
from outrider_envoy.proto.ext_proc_pb2 import ProcessingResponse

JSON = sets(("content-type", "application/json"))
FORMAT = {"json_format": {"message": "%LOCAL_REPLY_BODY%", "request_id": "%REQ(X-REQUEST-ID)%"}}
CEL = f"{EXTENSIONS}.access_loggers.filters.cel.v3.ExpressionFilter"
NOT_OURS: Config = {
    "extension_filter": {
        "name": "cel",
        "typed_config": typed(CEL, expression="!(response.code_details in ['outrider', 'ext_authz_denied'])"),
    }
}
# A header filter reads the request's headers, not the reply's.
NOT_GRPC: Config = {
    "header_filter": {
        "header": {
            "name": "content-type",
            "string_match": {"prefix": "application/grpc"},
            "treat_missing_header_as_empty": True,
            "invert_match": True,
        }
    }
}


def mapper(operator: str, status: int, **fields: Config) -> Config:
    value = {"default_value": status, "runtime_key": f"outrider.status.{status}"}
    status_is: Config = {"status_code_filter": {"comparison": {"op": operator, "value": value}}}
    every = {"and_filter": {"filters": [status_is, NOT_GRPC, NOT_OURS]}}
    return {"filter": every, "body_format_override": FORMAT, **fields}


MAPPERS = [
    mapper("EQ", 404, body={"inline_string": "no route"}),
    mapper("EQ", 503, body={"inline_string": "unavailable"}),
    mapper("GE", 400),
]
ROUTES: list[Config] = [
    route("/up"),
    route("/down", "down"),
    {"match": {"prefix": "/direct"}, "direct_response": {"status": 201, "body": {"inline_string": "direct"}}},
]


def gateway(start: Start, local_replies: Config) -> int:
    return start(
        ext_proc(processing_mode=mode(request_header_mode="SEND", request_body_mode="BUFFERED")),
        ext_authz(),
        routes=ROUTES,
        clusters=[cluster("down", "/nowhere")],
        manager={"local_reply_config": local_replies},
    )


@pytest.fixture
def port(start: Start) -> int:
    return gateway(start, {"mappers": MAPPERS})


def test_a_bare_body_format_rewrites_our_replies_too(
    start: Start, processor: Processor, authorizer: Authorizer
) -> None:
    port = gateway(start, {"body_format": FORMAT})
    processor.script = answers(reply(403, b"ours", JSON))
    assert json.loads(request(port, "/up").body)["message"] == "ours"
    processor.reset()
    authorizer.answer = deny(403, "theirs")
    assert json.loads(request(port, "/up").body)["message"] == "theirs"


@pytest.mark.parametrize("body", [b'{"message":"ours"}', b"plain", b""])
def test_an_immediate_response_with_our_details_is_left_alone(port: int, processor: Processor, body: bytes) -> None:
    processor.script = answers(reply(404, body, JSON, details="outrider"))
    assert request(port, "/up").body == body


def test_an_ext_authz_denial_is_left_alone(port: int, authorizer: Authorizer) -> None:
    authorizer.answer = deny(403, "plain", text("content-type", "text/x-ours"))
    response = request(port, "/up")
    assert (response.body, response.get("content-type")) == (b"plain", "text/x-ours")


def test_a_grpc_call_keeps_its_plain_message(port: int, processor: Processor) -> None:
    processor.script = answers(reply(403, b"short", grpc=7))
    headers = ("content-type", "application/grpc")
    assert request(port, "/up", headers, method="POST", body=b"").get("grpc-message") == "short"


def test_what_upstream_and_the_routes_say_is_left_alone(port: int, upstream: Upstream) -> None:
    upstream.answer = Answer(status=404, chunks=[b"upstream"])
    assert request(port, "/up").body == b"upstream"
    assert request(port, "/direct").body == b"direct"


@pytest.mark.parametrize(("path", "status", "message"), [("/none", 404, "no route"), ("/down", 503, "unavailable")])
def test_errors_of_envoy_become_json_with_the_request_id(port: int, path: str, status: int, message: str) -> None:
    response = request(port, path, ("x-request-id", "mine"))
    assert response.status == status
    assert response.get("content-type") == "application/json"
    body = json.loads(response.body)
    assert (body["message"], len(body["request_id"]) > 0) == (message, True)


def test_a_fault_of_the_server_becomes_json(port: int, processor: Processor) -> None:
    processor.script = answers(ProcessingResponse())
    response = request(port, "/up")
    assert (response.status, json.loads(response.body)["message"]) == (500, "")


def test_a_body_over_the_limit_becomes_json(port: int) -> None:
    response = request(port, "/up", method="POST", body=b"x" * 2_000_000)
    assert (response.status, json.loads(response.body)["message"]) == (413, "Payload Too Large")


@pytest.mark.parametrize(("headers", "status"), [(b"", 400), (b"host: a\r\nx-big: " + b"x" * 65536 + b"\r\n", 431)])
def test_before_the_headers_are_read_there_is_no_request_id(port: int, headers: bytes, status: int) -> None:
    response = send(port, b"GET / HTTP/1.1\r\n" + headers + b"\r\n")
    assert response.status == status
    assert json.loads(response.body)["request_id"] is None


def test_a_head_request_still_gets_no_body(port: int) -> None:
    response = request(port, "/none", method="HEAD")
    assert (response.status, response.body) == (404, b"")
