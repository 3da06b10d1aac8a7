"""What Envoy asks a rate limit service, and what it makes of an answer, and of none."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.bootstrap import Config, cluster, grpc, limited, rate_limit, route
from harness.gateway import Start
from harness.http1 import Message, request
from harness.scripted import Limiter
from harness.upstream import Upstream
from outrider_envoy.proto.core_pb2 import HeaderValue
from outrider_envoy.proto.rate_limit_pb2 import RateLimitDescriptor, RateLimitResponse

OK, OVER = RateLimitResponse.OK, RateLimitResponse.OVER_LIMIT
A, B = ("x-a", "1"), ("x-b", "2")
DENY: Config = {"failure_mode_deny": True}
WITH_503: Config = {"status_on_error": {"code": 503}}
Ask = Callable[..., Message]


@pytest.fixture(scope="session")
def shared_limiter(socket_folder: Path) -> Iterator[Limiter]:
    with Limiter(str(socket_folder / "limiter")) as limiter:
        yield limiter


@pytest.fixture
def limiter(shared_limiter: Limiter) -> Limiter:
    shared_limiter.reset()
    return shared_limiter


@pytest.fixture
def ask(start: Start, limiter: Limiter) -> Ask:
    """Sends a request with x-a and x-b, counted by a, and by a with b, through a filter with these fields."""
    clusters = [cluster("limiter", limiter.path, http2=True)]

    def send(*headers: tuple[str, str], **fields: object) -> Message:
        port = start(rate_limit(**fields), routes=[limited("a", "ab")], clusters=clusters)
        return request(port, "/", *(headers or (A, B)))

    return send


def status(code: "RateLimitResponse.Code", **limit: int) -> RateLimitResponse.DescriptorStatus:
    made = RateLimitResponse.DescriptorStatus(code=code, limit_remaining=limit.pop("left", 0))
    made.duration_until_reset.seconds = 7
    made.current_limit.MergeFrom(RateLimitResponse.RateLimit(requests_per_unit=10, **limit))  # type: ignore[arg-type]
    return made


def pairs(descriptor: RateLimitDescriptor) -> list[tuple[str, str]]:
    return [(entry.key.decode(), entry.value.decode()) for entry in descriptor.entries]


def test_a_descriptor_comes_whole_or_not_at_all(ask: Ask, limiter: Limiter) -> None:
    ask()
    ask(A)
    ask(B)
    assert [request.domain for request in limiter.asked] == ["shop", "shop"]
    first, second = limiter.asked
    assert [pairs(one) for one in first.descriptors] == [[("a", "1")], [("a", "1"), ("b", "2")]]
    assert [pairs(one) for one in second.descriptors] == [[("a", "1")]]
    assert (first.hits_addend, first.descriptors[0].HasField("hits_addend")) == (0, False)


def test_a_route_says_what_a_request_counts_as_in_the_filters_own_section(start: Start, limiter: Limiter) -> None:
    """In the `rate_limits` of the route itself it has no effect."""
    counted = limited("a", hits_addend={"number": 3})
    [own] = counted["typed_per_filter_config"].values()
    plain = route(route={"cluster": "upstream", "rate_limits": own["rate_limits"]})
    for one in (counted, plain):
        clusters = [cluster("limiter", limiter.path, http2=True)]
        assert request(start(rate_limit(), routes=[one], clusters=clusters), "/", A).status == 200
    hits = [asked.descriptors[0].hits_addend.value for asked in limiter.asked]
    assert hits == [3, 0]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (RateLimitResponse(overall_code=OVER), 429),
        (RateLimitResponse(overall_code=OVER, statuses=[status(OK)] * 3), 429),
        (RateLimitResponse(overall_code=OK, statuses=[status(OVER)]), 200),
        (RateLimitResponse(overall_code=OK), 200),
        (RateLimitResponse(statuses=[status(OVER)] * 2), 200),
        (RateLimitResponse(), 200),
        (RateLimitResponse.FromString(b"\x08\x09"), 200),
    ],
    ids=["over", "over, many say ok", "ok, one says over", "ok", "none, all say over", "empty", "unknown"],
)
def test_the_overall_code_decides_alone(
    ask: Ask, limiter: Limiter, upstream: Upstream, answer: RateLimitResponse, code: int
) -> None:
    limiter.answer = answer
    assert ask(**DENY).status == code
    assert len(upstream.requests) == (code == 200)


@pytest.mark.parametrize(("fields", "code"), [({}, 200), (DENY, 500), ({**DENY, **WITH_503}, 503), (WITH_503, 200)])
def test_an_error_lets_requests_through_unless_told_otherwise(
    ask: Ask, limiter: Limiter, upstream: Upstream, fields: Config, code: int
) -> None:
    limiter.fails = True
    assert ask(**fields).status == code
    assert len(upstream.requests) == (code == 200)


@pytest.mark.parametrize(("fields", "code"), [({}, 200), (DENY, 500)])
def test_a_server_that_nobody_reaches_lets_requests_through_unless_told_otherwise(
    start: Start, fields: Config, code: int
) -> None:
    nowhere = cluster("limiter", "/nowhere", http2=True)
    assert request(start(rate_limit(**fields), routes=[limited("a")], clusters=[nowhere]), "/", A).status == code


@pytest.mark.parametrize(("fields", "code"), [({}, 200), (DENY, 500)])
def test_without_a_timeout_of_ours_a_silent_server_is_given_up_by_default(
    ask: Ask, limiter: Limiter, fields: Config, code: int
) -> None:
    """After 20 ms, says Envoy's manual; nobody measures that on a busy machine."""
    limiter.gate.clear()
    assert ask(timeout=None, **fields).status == code
    limiter.gate.set()


def test_the_timeout_of_the_grpc_service_does_not_lengthen_that_of_the_filter(ask: Ask, limiter: Limiter) -> None:
    limiter.gate.clear()
    service = {"grpc_service": grpc("limiter", timeout="60s"), "transport_api_version": "V3"}
    assert ask(timeout="0.050s", rate_limit_service=service, **DENY).status == 500
    limiter.gate.set()


def test_another_status_may_stand_for_too_many(ask: Ask, limiter: Limiter) -> None:
    limiter.answer = RateLimitResponse(overall_code=OVER)
    refused = ask(rate_limited_status={"code": 503})
    assert (refused.status, refused.get("x-envoy-ratelimited"), refused.body) == (503, "true", b"")


@pytest.mark.parametrize("code", [OK, OVER])
def test_headers_go_on_whatever_answers_and_only_their_value_is_read(
    ask: Ask, limiter: Limiter, upstream: Upstream, code: "RateLimitResponse.Code"
) -> None:
    headers = [HeaderValue(key="x-told", value="1"), HeaderValue(key="x-raw", raw_value=b"1")]
    limiter.answer = RateLimitResponse(
        overall_code=code,
        response_headers_to_add=headers,
        request_headers_to_add=[HeaderValue(key="x-up", value="1")],
        raw_body=b"slow down",
    )
    answer = ask()
    assert (answer.get("x-told"), answer.get("x-raw")) == ("1", "")
    if code == OVER:
        assert (answer.status, answer.body) == (429, b"slow down")
    else:
        assert (answer.status, upstream.request.get("x-up")) == (200, "1")


def test_a_header_is_not_looked_at_before_it_goes_out(ask: Ask, limiter: Limiter) -> None:
    """So nothing that a request carries may ever stand in one."""
    split = HeaderValue(key="x-told", value="1\r\nset-cookie: a=b")
    limiter.answer = RateLimitResponse(overall_code=OVER, response_headers_to_add=[split])
    assert ask().get("set-cookie") == "a=b"


@pytest.mark.parametrize("code", [OK, OVER])
def test_envoy_writes_the_ratelimit_headers_of_draft_03(
    ask: Ask, limiter: Limiter, code: "RateLimitResponse.Code"
) -> None:
    least = status(code, unit=RateLimitResponse.RateLimit.MINUTE, left=3)
    statuses = [status(OK, unit=RateLimitResponse.RateLimit.WEEK, left=5), least]
    limiter.answer = RateLimitResponse(overall_code=code, statuses=statuses)
    answer = ask(enable_x_ratelimit_headers="DRAFT_VERSION_03")
    names = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
    assert [answer.get(name) for name in names] == ["10, 10;w=604800, 10;w=60", "3", "7"]


def test_of_a_limit_without_a_unit_the_window_is_not_told(ask: Ask, limiter: Limiter) -> None:
    limiter.answer = RateLimitResponse(overall_code=OK, statuses=[status(OK, left=1)])
    answer = ask(enable_x_ratelimit_headers="DRAFT_VERSION_03")
    assert (answer.get("x-ratelimit-limit"), answer.get("x-ratelimit-remaining")) == ("10", "1")
