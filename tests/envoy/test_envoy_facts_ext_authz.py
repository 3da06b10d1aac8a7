"""What Envoy makes of an ext_authz verdict."""

import pytest

from harness.bootstrap import Config, cluster, ext_authz, route
from harness.gateway import Start
from harness.http1 import Message, request
from harness.say import allow, deny, option, text
from harness.scripted import Authorizer
from harness.upstream import Answer, Upstream
from outrider_envoy.proto.core_pb2 import HeaderValueOption, HttpStatus, QueryParameter
from outrider_envoy.proto.ext_authz_pb2 import CheckResponse, DeniedHttpResponse, OkHttpResponse, Status

GRPC = ("content-type", "application/grpc")


@pytest.fixture
def port(start: Start) -> int:
    return start(ext_authz())


def test_a_verdict_without_a_status_allows(port: int, authorizer: Authorizer) -> None:
    authorizer.answer = CheckResponse()
    assert request(port).status == 200


def test_a_denial_without_a_status_allows(port: int, authorizer: Authorizer) -> None:
    denied = DeniedHttpResponse(status=HttpStatus(code=403), body="no")
    authorizer.answer = CheckResponse(denied_response=denied)
    assert request(port).status == 200


def test_a_denial_with_a_status_but_http_status_0_is_403(port: int, authorizer: Authorizer) -> None:
    authorizer.answer = CheckResponse(status=Status(code=7), denied_response=DeniedHttpResponse())
    assert request(port).status == 403


def test_an_error_response_is_known_from_1_40_on(port: int, authorizer: Authorizer, envoy_version: str) -> None:
    error = DeniedHttpResponse(status=HttpStatus(code=503))
    authorizer.answer = CheckResponse(status=Status(code=14), error_response=error)
    assert request(port).status == (503 if envoy_version == "envoy-1.40" else 403)


def sent_upstream(upstream: Upstream, port: int, authorizer: Authorizer, ok: OkHttpResponse) -> Message:
    """What upstream gets of /a?x=1&y=%2B+z&z with x-both twice."""
    authorizer.answer = allow(ok)
    request(port, "/a?x=1&y=%2B+z&z", ("x-both", "1"), ("x-both", "2"))
    return upstream.request


@pytest.mark.parametrize(
    ("header", "seen"),
    [
        (text("x-both", "ours"), ["ours"]),
        (text("x-both", "ours", append=False), ["ours"]),
        (text("x-both", "ours", append=True), ["1,ours", "2"]),
        (text("x-new", "ours"), ["1", "2"]),
    ],
    ids=["default", "append false", "append true", "another name"],
)
def test_a_request_header_replaces_unless_told_to_append(
    port: int, authorizer: Authorizer, upstream: Upstream, header: HeaderValueOption, seen: list[str]
) -> None:
    ok = OkHttpResponse(headers=[header])
    assert sent_upstream(upstream, port, authorizer, ok).all("x-both") == seen


def test_append_does_nothing_where_the_request_header_is_absent(
    port: int, authorizer: Authorizer, upstream: Upstream
) -> None:
    ok = OkHttpResponse(headers=[text("x-new", "1", append=True)])
    assert sent_upstream(upstream, port, authorizer, ok).all("x-new") == []


def test_append_action_is_ignored_for_request_headers(port: int, authorizer: Authorizer, upstream: Upstream) -> None:
    given = text("x-both", "ours")
    given.append_action = HeaderValueOption.ADD_IF_ABSENT
    ok = OkHttpResponse(headers=[given])
    assert sent_upstream(upstream, port, authorizer, ok).all("x-both") == ["ours"]


def test_a_header_in_raw_value_instead_of_value_arrives_empty(
    port: int, authorizer: Authorizer, upstream: Upstream
) -> None:
    ok = OkHttpResponse(headers=[option("x-new", "lost")])
    assert sent_upstream(upstream, port, authorizer, ok).get("x-new") == ""


def test_the_path_is_taken_byte_for_byte_with_its_query(
    port: int, authorizer: Authorizer, upstream: Upstream
) -> None:
    ok = OkHttpResponse(headers=[text(":path", "/new?raw=%zz+&&x")])
    assert sent_upstream(upstream, port, authorizer, ok).path == "/new?raw=%zz+&&x"


def test_method_and_host_are_taken_without_any_rule(port: int, authorizer: Authorizer, upstream: Upstream) -> None:
    ok = OkHttpResponse(headers=[text(":method", "PUT"), text(":authority", "other.test")])
    seen = sent_upstream(upstream, port, authorizer, ok)
    assert (seen.method, seen.get("host")) == ("PUT", "other.test")


def test_a_new_path_does_not_choose_another_route(start: Start, authorizer: Authorizer, upstream: Upstream) -> None:
    marked: Config = {"response_headers_to_add": [{"header": {"key": "x-route", "value": "first"}}]}
    port = start(ext_authz(), routes=[route("/first", **marked), route("/second")])
    authorizer.answer = allow(OkHttpResponse(headers=[text(":path", "/second")]))
    assert request(port, "/first").get("x-route") == "first"
    assert upstream.request.path == "/second"


def test_query_parameters_are_set_without_encoding_and_the_rest_is_rewritten(
    port: int, authorizer: Authorizer, upstream: Upstream
) -> None:
    ok = OkHttpResponse(query_parameters_to_set=[QueryParameter(key="k", value="a&b=%20")])
    assert sent_upstream(upstream, port, authorizer, ok).path == "/a?k=a&b=%20&x=1&y=%2B+z&z="


def test_query_parameters_can_be_removed(port: int, authorizer: Authorizer, upstream: Upstream) -> None:
    ok = OkHttpResponse(query_parameters_to_remove=["x", "z"])
    assert sent_upstream(upstream, port, authorizer, ok).path == "/a?y=%2B+z"


def test_removal_takes_every_duplicate_and_comes_after_setting(
    port: int, authorizer: Authorizer, upstream: Upstream
) -> None:
    ok = OkHttpResponse(headers=[text("x-both", "ours")], headers_to_remove=["X-Both", ":path", "host"])
    seen = sent_upstream(upstream, port, authorizer, ok)
    assert seen.all("x-both") == []
    assert seen.get("host") == "outrider.test"


@pytest.mark.parametrize(
    ("header", "seen"),
    [
        (text("x-both", "ours"), ["1", "2", "ours"]),
        (text("x-both", "ours", append=True), ["1", "2", "ours"]),
        (text("x-both", "ours", append=False), ["ours"]),
    ],
    ids=["default", "append true", "append false"],
)
def test_a_response_header_is_added_unless_told_to_overwrite(
    port: int, authorizer: Authorizer, upstream: Upstream, header: HeaderValueOption, seen: list[str]
) -> None:
    upstream.answer = Answer(headers=[("x-both", "1"), ("x-both", "2")])
    authorizer.answer = allow(OkHttpResponse(response_headers_to_add=[header]))
    assert request(port).all("x-both") == seen


def test_append_action_counts_for_response_headers(port: int, authorizer: Authorizer, upstream: Upstream) -> None:
    upstream.answer = Answer(headers=[("x-both", "1"), ("x-both", "2")])
    given = text("x-both", "ours")
    given.append_action = HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
    authorizer.answer = allow(OkHttpResponse(response_headers_to_add=[given]))
    assert request(port).all("x-both") == ["ours"]


def test_an_overwritten_response_header_can_have_one_value_only(
    port: int, authorizer: Authorizer, upstream: Upstream
) -> None:
    upstream.answer = Answer(headers=[("x-both", "1")])
    ours = [text("x-both", "a", append=False), text("x-both", "b", append=True)]
    authorizer.answer = allow(OkHttpResponse(response_headers_to_add=ours))
    assert request(port).all("x-both") == ["a"]


def test_response_headers_reach_downstream_on_envoys_own_503_too(start: Start, authorizer: Authorizer) -> None:
    port = start(ext_authz(), clusters=[cluster("upstream", "/nowhere")])
    authorizer.answer = allow(OkHttpResponse(response_headers_to_add=[text("x-ours", "1")]))
    response = request(port)
    assert (response.status, response.get("x-ours")) == (503, "1")


def test_a_denial_goes_out_as_given_with_duplicates(port: int, authorizer: Authorizer, upstream: Upstream) -> None:
    both = [text("www-authenticate", "A"), text("www-authenticate", "B")]
    authorizer.answer = deny(401, '{"message":"no"}', text("content-type", "application/json"), *both)
    response = request(port)
    assert (response.status, response.body) == (401, b'{"message":"no"}')
    assert response.get("content-type") == "application/json"
    assert response.all("www-authenticate") == ["A", "B"]
    assert upstream.requests == []


def test_a_header_of_a_denial_that_says_append_is_dropped(port: int, authorizer: Authorizer) -> None:
    authorizer.answer = deny(401, "no", text("x-ours", "1", append=True))
    assert request(port).all("x-ours") == []


def test_a_denied_head_request_gets_the_length_of_the_body_only(port: int, authorizer: Authorizer) -> None:
    authorizer.answer = deny(401, "four")
    response = request(port, method="HEAD")
    assert (response.status, response.get("content-length"), response.body) == (401, "4", b"")


@pytest.mark.parametrize(("ours", "seen"), [([], "14"), ([text("grpc-status", "8")], "8")])
def test_a_denied_grpc_call_gets_the_body_as_message_and_our_grpc_status_if_there_is_one(
    port: int, authorizer: Authorizer, ours: list[HeaderValueOption], seen: str
) -> None:
    authorizer.answer = deny(429, "too many", *ours)
    response = request(port, "/package.Service/Method", GRPC, method="POST", body=b"")
    assert (response.status, response.body) == (200, b"")
    assert (response.get("grpc-status"), response.get("grpc-message")) == (seen, "too many")


@pytest.mark.parametrize(("name", "value"), [("x-new", "a\rb"), ("x-new", "a\x01b"), ("x new", "1")])
def test_an_invalid_header_is_503(
    port: int, authorizer: Authorizer, upstream: Upstream, name: str, value: str
) -> None:
    authorizer.answer = allow(OkHttpResponse(headers=[text(name, value)]))
    assert request(port).status == 503
    assert upstream.requests == []
