"""Each plugin that comes with Outrider, behind each gateway: what downstream and upstream saw."""

import json
import re
import uuid

import pytest

from harness.outrider import Outrider
from harness.upstream import Answer, Upstream

RESPONSES = pytest.mark.parametrize("protocol", ["ext_proc", "kong"])  # ext_authz sees none
ALICE = ("x-api-key", "alice-key")


def assert_alice(upstream: Upstream) -> None:
    seen = upstream.request
    assert seen.get("x-consumer-username") == "alice"
    assert seen.get("x-consumer-custom-id") == "a-1"
    assert seen.get("x-consumer-id")
    assert seen.get("x-anonymous-consumer") is None


def test_key_auth_lets_a_consumer_in_tells_upstream_who_and_hides_the_key(
    gateway: Outrider, upstream: Upstream
) -> None:
    assert gateway.request("/orders", ALICE, ("x-consumer-username", "spoofed")).status == 200
    assert_alice(upstream)
    assert upstream.request.get("x-credential-identifier") == "alices"
    assert "alice-key" not in str(upstream.request)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/keys", [("x-key", "alice-key")]),
        ("/keys?a=1&key=alice-key&b=2", []),
        ("/keys?a=1&%6bey=alice%2dkey&b=2", []),
        ("/keys", [("cookie", "a=1; key=alice-key; b=2")]),
    ],
)
def test_key_auth_finds_the_key_in_header_query_and_cookie(
    gateway: Outrider, upstream: Upstream, path: str, headers: list[tuple[str, str]]
) -> None:
    assert gateway.request(path, *headers).status == 200
    assert_alice(upstream)
    assert "alice" not in upstream.request.path
    assert "alice" not in (upstream.request.get("cookie") or "")
    assert upstream.request.path in ("/keys", "/keys?a=1&b=2")


@pytest.mark.parametrize("path", ["/keys?key=alice-key&key=bob-key", "/keys?key=alice-key&key="])
def test_key_auth_refuses_two_keys(gateway: Outrider, upstream: Upstream, path: str) -> None:
    assert gateway.request(path).status == 401
    assert not upstream.requests


@pytest.mark.parametrize("headers", [[], [("x-api-key", "wrong")]])
def test_key_auth_lets_strangers_in_as_the_anonymous_consumer(
    gateway: Outrider, upstream: Upstream, headers: list[tuple[str, str]]
) -> None:
    assert gateway.request("/guests", *headers).status == 200
    seen = upstream.request
    assert (seen.get("x-consumer-username"), seen.get("x-anonymous-consumer")) == ("guest", "true")
    assert seen.get("x-api-key") is None


@pytest.mark.parametrize("key", [None, "wrong"])
def test_a_refusal_is_json_with_a_challenge_and_the_request_id(
    gateway: Outrider, upstream: Upstream, key: str | None
) -> None:
    response = gateway.request("/orders", *([("x-api-key", key)] if key else []))
    assert response.status == 401
    assert response.get("www-authenticate") == "Key"
    assert response.get("content-type") == "application/json"
    assert json.loads(response.body) == {"message": "Unauthorized", "request_id": response.get("x-request-id")}
    assert not upstream.requests


def test_correlation_id_gives_upstream_and_downstream_the_same_new_id(gateway: Outrider, upstream: Upstream) -> None:
    response = gateway.request("/orders", ALICE, ("x-request-id", "mine"))
    given = response.get("x-request-id")
    assert given == upstream.request.get("x-request-id")
    assert uuid.UUID(given).version == 4


def test_correlation_id_keeps_a_well_formed_id_that_it_trusts(gateway: Outrider, upstream: Upstream) -> None:
    response = gateway.request("/traced", ALICE, ("x-trace-id", "mine-1"))
    assert (response.get("x-trace-id"), upstream.request.get("x-trace-id")) == ("mine-1", "mine-1")


@pytest.mark.parametrize("given", ["", "a b", "x" * 200, 'a"b', "\xff"])
def test_correlation_id_replaces_an_id_that_does_not_fit_a_log_line(
    gateway: Outrider, upstream: Upstream, given: str
) -> None:
    response = gateway.request("/traced", ALICE, ("x-trace-id", given))
    assert uuid.UUID(response.get("x-trace-id")).version == 4
    assert upstream.request.get("x-trace-id") == response.get("x-trace-id")


def test_correlation_id_is_on_a_refusal_too(gateway: Outrider) -> None:
    response = gateway.request("/traced", ("x-trace-id", "mine-1"))
    assert response.status == 401
    assert response.get("x-trace-id") == "mine-1"
    assert json.loads(response.body)["request_id"] == "mine-1"


def test_correlation_id_can_keep_the_id_from_downstream(gateway: Outrider, upstream: Upstream) -> None:
    assert gateway.request("/quiet").get("x-request-id") is None
    assert upstream.request.get("x-request-id")


def test_rate_limit_lets_the_last_request_of_the_limit_pass_and_refuses_the_next(
    gateway: Outrider, upstream: Upstream
) -> None:
    case = ("x-case", uuid.uuid4().hex)
    passed = [gateway.request("/limited", case) for _ in range(3)]
    refused = gateway.request("/limited", case)
    assert [response.status for response in [*passed, refused]] == [200, 200, 200, 429]
    assert [remaining(response.get("ratelimit")) for response in passed] == [2, 1, 0]
    assert int(refused.get("retry-after") or 0) > 0
    assert remaining(refused.get("ratelimit")) == 0
    assert refused.get("ratelimit-policy")
    assert json.loads(refused.body)["message"]
    assert len(upstream.requests) == 3


def remaining(header: str | None) -> int:
    found = re.search(r"r=(\d+)", header or "")
    assert found
    return int(found[1])


def test_rate_limit_counts_each_key_by_itself(gateway: Outrider) -> None:
    for _ in range(2):
        case = ("x-case", uuid.uuid4().hex)
        assert [gateway.request("/limited", case).status for _ in range(4)] == [200, 200, 200, 429]


def test_request_transform_changes_headers_and_query_in_its_order(gateway: Outrider, upstream: Upstream) -> None:
    headers = [
        ("x-debug", "1"),
        ("x-old", "kept"),
        ("user-agent", "test"),
        ("x-many", "one"),
        ("x-given", "given"),
    ]
    path = "/transformed?debug=1&old=a%20b&page=7&tag=a&rest"
    assert gateway.request(path, ALICE, *headers).status == 200
    seen = upstream.request
    assert seen.path == "/transformed?new=a%20b&page=1&tag=a&rest&who=alice&tag=b"
    assert (seen.get("x-debug"), seen.get("x-old"), seen.get("x-new")) == (None, None, "kept")
    assert seen.get("user-agent") == "outrider"
    assert (seen.get("x-caller"), seen.get("x-seen")) == ("alice on transformed", "given")
    assert ", ".join(seen.all("x-many")) == "one, two"


def test_request_transform_adds_only_what_is_absent_and_replaces_only_what_is_present(
    gateway: Outrider, upstream: Upstream
) -> None:
    assert gateway.request("/transformed?who=me", ALICE, ("x-caller", "me")).status == 200
    seen = upstream.request
    assert seen.path == "/transformed?who=me&tag=b"
    assert (seen.get("x-caller"), seen.get("x-seen"), seen.get("user-agent")) == ("me", "", None)


@RESPONSES
def test_response_transform_changes_the_headers_that_downstream_gets(gateway: Outrider, upstream: Upstream) -> None:
    upstream.answer = Answer(
        201,
        headers=[
            ("x-powered-by", "test"),
            ("x-old", "kept"),
            ("etag", '"1"'),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
        ],
        chunks=[b"the body"],
    )
    response = gateway.request("/retouched", method="POST", body=b"x")
    assert (response.status, response.body) == (201, b"the body")
    assert (response.get("x-powered-by"), response.get("x-old"), response.get("x-new")) == (None, None, "kept")
    assert (response.get("etag"), response.get("x-status")) == ('"2"', "201 for POST")
    assert response.all("set-cookie") == ["a=1", "b=2", "c=3"]
