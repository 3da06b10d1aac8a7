"""What a header mutation of ext_proc does, and does not do."""

import pytest

from harness import ask
from harness.bootstrap import Config, ext_proc, mode, route
from harness.gateway import Start
from harness.http1 import request
from harness.say import option, removes, request_headers, response_headers, sets
from harness.scripted import Processor, answers
from harness.upstream import Answer, Upstream
from outrider_envoy.proto.core_pb2 import HeaderValue, HeaderValueOption
from outrider_envoy.proto.ext_proc_pb2 import HeaderMutation

HEADERS = mode(request_header_mode="SEND", response_header_mode="SEND")
ROUTING = {"allow_all_routing": True}
COOKIES = Answer(headers=[("set-cookie", "up=1")])


@pytest.fixture
def port(start: Start) -> int:
    return start(ext_proc(processing_mode=HEADERS))


def test_a_header_in_value_instead_of_raw_value_arrives_empty(
    port: int, processor: Processor, upstream: Upstream
) -> None:
    text = HeaderValueOption(header=HeaderValue(key="x-new", value="lost"))
    processor.script = answers(request_headers(HeaderMutation(set_headers=[text])))
    assert request(port).status == 200
    assert upstream.request.get("x-new") == ""


@pytest.mark.parametrize("action", HeaderValueOption.HeaderAppendAction.values())
def test_append_action_is_ignored(
    port: int, processor: Processor, upstream: Upstream, action: HeaderValueOption.HeaderAppendAction
) -> None:
    given = option("x-both", "ours")
    given.append_action = action
    processor.script = answers(request_headers(HeaderMutation(set_headers=[given])))
    request(port, "/", ("x-both", "theirs"))
    assert upstream.request.all("x-both") == ["ours"]


def test_the_older_append_bool_really_appends(port: int, processor: Processor, upstream: Upstream) -> None:
    processor.script = answers(request_headers(sets(("x-both", "ours"), ("x-new", "ours"), append=True)))
    request(port, "/", ("x-both", "theirs"))
    assert upstream.request.all("x-both") == ["theirs", "ours"]
    assert upstream.request.all("x-new") == ["ours"]


def test_a_set_without_append_replaces_every_duplicate(port: int, processor: Processor, upstream: Upstream) -> None:
    processor.script = answers(request_headers(sets(("x-both", "ours"))))
    request(port, "/", ("x-both", "1"), ("x-both", "2"))
    assert upstream.request.all("x-both") == ["ours"]


def test_removal_takes_every_duplicate(port: int, processor: Processor, upstream: Upstream) -> None:
    processor.script = answers(request_headers(removes("x-both")))
    request(port, "/", ("x-both", "1"), ("X-Both", "2"))
    assert upstream.request.all("x-both") == []


@pytest.mark.parametrize(
    ("append", "cookies"),
    [(None, ["b=3"]), (False, ["b=3"]), (True, ["up=1", "a=2", "b=3"])],
)
def test_set_cookie_is_overwritten_without_append(
    port: int, processor: Processor, upstream: Upstream, *, append: bool | None, cookies: list[str]
) -> None:
    upstream.answer = COOKIES
    both = sets(("set-cookie", "a=2"), ("set-cookie", "b=3"), append=append)
    processor.script = answers(request_headers(), response_headers(both))
    assert request(port).all("set-cookie") == cookies


@pytest.mark.parametrize(("rules", "seen"), [(None, ("GET", "outrider.test")), (ROUTING, ("PUT", "other.test"))])
def test_method_and_authority_are_ignored_unless_the_rules_allow_all_routing(
    start: Start, processor: Processor, upstream: Upstream, rules: Config | None, seen: tuple[str, str]
) -> None:
    port = start(ext_proc(processing_mode=HEADERS, **({"mutation_rules": rules} if rules else {})))
    processor.script = answers(request_headers(sets((":method", "PUT"), (":authority", "other.test"))))
    assert request(port).status == 200
    assert (upstream.request.method, upstream.request.get("host")) == seen


@pytest.mark.parametrize("name", ["host", ":scheme"])
def test_host_and_scheme_are_ignored_by_default(
    port: int, processor: Processor, upstream: Upstream, name: str
) -> None:
    processor.script = answers(request_headers(sets((name, "https"), ("x-ours", "1"))))
    assert request(port).status == 200
    assert upstream.request.get("host") == "outrider.test"
    assert upstream.request.get("x-forwarded-proto") == "http"
    assert upstream.request.get("x-ours") == "1"


@pytest.mark.parametrize("rules", [{}, ROUTING], ids=["default rules", "all routing"])
def test_a_header_that_begins_with_x_envoy_is_ignored(
    start: Start, processor: Processor, upstream: Upstream, rules: Config
) -> None:
    port = start(ext_proc(processing_mode=HEADERS, mutation_rules=rules))
    processor.script = answers(request_headers(sets(("x-envoy-ours", "1"), ("x-ours", "1"))))
    assert request(port).status == 200
    assert upstream.request.get("x-envoy-ours") is None
    assert upstream.request.get("x-ours") == "1"


def test_a_new_path_goes_upstream_but_the_route_stays(start: Start, processor: Processor, upstream: Upstream) -> None:
    marked: Config = {"response_headers_to_add": [{"header": {"key": "x-route", "value": "first"}}]}
    port = start(ext_proc(processing_mode=HEADERS), routes=[route("/first", **marked), route("/second")])
    processor.script = answers(request_headers(sets((":path", "/second?raw=%zz&&b"))))
    response = request(port, "/first")
    assert upstream.request.path == "/second?raw=%zz&&b"
    assert response.get("x-route") == "first"


def test_the_status_of_a_response_can_be_set(port: int, processor: Processor) -> None:
    processor.script = answers(request_headers(), response_headers(sets((":status", "418"))))
    assert request(port).status == 418


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize(
    ("name", "value"),
    [("x new", "1"), ("x-new", "a\rb"), ("x-new", "a\nb"), ("x-new", "a\x01b"), ("x-new", "a\0b")],
    ids=["bad name", "CR", "LF", "control byte", "NUL"],
)
def test_an_invalid_header_is_500_even_with_failure_mode_allow(
    start: Start, processor: Processor, upstream: Upstream, name: str, value: str, *, lenient: bool
) -> None:
    port = start(ext_proc(processing_mode=HEADERS, failure_mode_allow=lenient))
    processor.script = answers(request_headers(sets((name, value))))
    assert request(port).status == 500
    assert upstream.requests == []


def test_bytes_that_are_not_utf8_go_through_both_ways(port: int, processor: Processor, upstream: Upstream) -> None:
    processor.script = answers(request_headers(sets(("x-ours", b"\xe4\xff"))))
    assert request(port, "/", ("x-theirs", "\xff\xfe")).status == 200
    received = {h.key: h.raw_value for h in ask.received(processor.stream.first.request_headers.headers)}
    assert received["x-theirs"] == b"\xff\xfe"
    assert upstream.request.get("x-theirs") == "\xff\xfe"
    assert upstream.request.get("x-ours") == "\xe4\xff"


def test_only_duplicates_of_headers_that_envoy_knows_are_joined(
    port: int, processor: Processor, upstream: Upstream
) -> None:
    twice = [("authorization", "Bearer 1"), ("authorization", "Bearer 2"), ("x-key", "1"), ("x-key", "2")]
    request(port, "/", *twice, ("cookie", "a=1"), ("cookie", "b=2"))
    received = [(h.key, h.raw_value) for h in ask.received(processor.stream.first.request_headers.headers)]
    assert [value for key, value in received if key == "authorization"] == [b"Bearer 1,Bearer 2"]
    assert [value for key, value in received if key == "x-key"] == [b"1", b"2"]
    assert [value for key, value in received if key == "cookie"] == [b"a=1", b"b=2"]
    assert upstream.request.all("x-key") == ["1", "2"]
