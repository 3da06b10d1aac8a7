"""What rate-limit lets through behind each gateway: algorithms, groups, costs, dry runs."""

from collections.abc import Callable
from time import time
from uuid import uuid4

import pytest

from harness import http1
from harness.outrider import Outrider
from harness.sample import YEAR
from harness.upstream import Answer, Upstream

RESPONSES = pytest.mark.parametrize("protocol", ["ext_proc", "kong"])  # ext_authz sees none
ALICE, BOB, GOLDIE = (("x-api-key", f"{name}-key") for name in ("alice", "bob", "goldie"))


def case() -> tuple[str, str]:
    """What makes this test's requests have a count of their own."""
    return "x-case", uuid4().hex


def left(response: http1.Message) -> int:
    return int(response.get("x-ratelimit-remaining") or "-1")


def next_drop() -> float:
    """When gcra, whose bucket is full, has room for one more: in seconds."""
    return YEAR


def next_window() -> float:
    """When a sliding window has room again, of whose three requests a third slid out of it in the next window."""
    return YEAR - time() % YEAR + YEAR / 3


@pytest.mark.parametrize(("path", "wait"), [("/evenly", next_drop), ("/sliding", next_window)])
def test_the_algorithm_lets_its_limit_through_and_says_when_to_come_again(
    gateway: Outrider, path: str, wait: Callable[[], float]
) -> None:
    mine = case()
    responses = [gateway.request(path, mine) for _ in range(4)]
    assert [response.status for response in responses] == [200, 200, 200, 429]
    assert [left(response) for response in responses] == [2, 1, 0, 0]
    assert int(responses[3].get("retry-after") or "") == pytest.approx(wait(), abs=600)
    assert ";r=0;" in (responses[3].get("ratelimit") or "")


def test_a_request_costs_what_the_file_says(gateway: Outrider) -> None:
    mine = case()
    assert [left(gateway.request("/dear", mine)) for _ in range(3)] == [6, 2, 2]


def test_consumers_of_a_group_have_its_limit_each_for_themselves(gateway: Outrider) -> None:
    assert [gateway.request("/grouped", BOB).status for _ in range(2)] == [200, 429]
    golden = [gateway.request("/grouped", GOLDIE) for _ in range(4)]
    assert [response.status for response in golden] == [200, 200, 200, 429]
    assert (left(golden[0]), golden[0].get("ratelimit")) == (2, None)
    assert gateway.request("/grouped", ALICE).status == 200


def test_a_dry_run_counts_and_refuses_nobody(gateway: Outrider) -> None:
    mine = case()

    def counted(outcome: str) -> float:
        return gateway.metric("outrider_rate_limit_dry_run_total", route="tried", outcome=outcome)

    before = counted("refused")
    responses = [gateway.request("/tried", mine) for _ in range(3)]
    assert [response.status for response in responses] == [200] * 3
    assert all(response.get("ratelimit") is None for response in responses)
    assert counted("refused") - before == 2


@RESPONSES
def test_a_response_tells_what_its_request_cost(gateway: Outrider, upstream: Upstream) -> None:
    upstream.answer = Answer(headers=[("x-tokens", "60")])
    mine = case()
    responses = [gateway.request("/priced", mine) for _ in range(3)]
    assert [(response.status, left(response)) for response in responses] == [(200, 99), (200, 39), (429, 0)]


@RESPONSES
def test_a_response_that_tells_nothing_costs_what_the_file_says(gateway: Outrider, upstream: Upstream) -> None:
    upstream.answer = Answer()
    mine = case()
    assert [left(gateway.request("/priced", mine)) for _ in range(2)] == [99, 58]


@RESPONSES
def test_a_body_tells_what_its_request_cost(gateway: Outrider, upstream: Upstream) -> None:
    body = b'{"usage": {"tokens": 60}}'
    upstream.answer = Answer(headers=[("content-type", "application/json")], chunks=[body])
    mine = case()
    zipped = ("accept-encoding", "gzip"), ("range", "bytes=0-1")
    responses = [gateway.request("/priced-by-body", mine, *zipped) for _ in range(3)]
    assert [(seen.get("accept-encoding"), seen.get("range")) for seen in upstream.requests] == [(None, None)] * 2
    assert [(response.status, left(response)) for response in responses] == [(200, 99), (200, 39), (429, 0)]
    assert responses[0].body == body
