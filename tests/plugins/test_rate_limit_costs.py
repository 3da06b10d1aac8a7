"""rate-limit where requests have a price: charged before, and what a response tells charged after it."""

import asyncio
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from outrider import Consumer, Plugin, Request, Response, Runtime
from outrider.testing import Outcome, Runner
from outrider_plugins.counting.shared_memory import SharedCounters
from outrider_plugins.counting.storage import StorageError
from outrider_plugins.rate_limit import RateLimit

YEAR = 366 * 86_400
TOKENS = "json:/usage/total_tokens"


def send(plugins: Plugin | Sequence[Plugin], *responses: Response, shared: Path) -> list[Outcome]:
    """As many requests of one caller as there are responses of upstream."""

    async def main() -> list[Outcome]:
        chain = [plugins] if isinstance(plugins, Plugin) else plugins
        async with Runner(chain, Runtime(shared=shared)) as runner:
            return [await runner.send(Request(), response=response) for response in responses]

    return asyncio.run(main())


def left(outcomes: Sequence[Outcome]) -> list[int]:
    return [int(outcome.headers["ratelimit"].partition(";r=")[2].partition(";")[0]) for outcome in outcomes]


def said(cost: object, **headers: str) -> Response:
    body = json.dumps({"usage": {"total_tokens": cost}, "choices": [{"cost": 4}]})
    return Response(body=body, headers={"content-type": "application/json", **headers})


def test_each_request_uses_up_its_cost(tmp_path: Path) -> None:
    outcomes = send(RateLimit(limit=10, window=YEAR, cost=4), *[Response()] * 3, shared=tmp_path)
    assert [outcome.status for outcome in outcomes] == [200, 200, 429]
    assert left(outcomes) == [6, 2, 2]


@pytest.mark.parametrize("algorithm", ["fixed-window", "sliding-window", "gcra"])
@pytest.mark.parametrize("place", ["header:x-tokens", TOKENS])
def test_what_the_response_costs_is_charged_to_the_next_requests(algorithm: Any, place: str, tmp_path: Path) -> None:
    plugin = RateLimit(limit=100, window=YEAR, algorithm=algorithm, response_cost=place)
    outcomes = send(plugin, *[said(70, **{"x-tokens": "70"})] * 3, shared=tmp_path)
    assert [outcome.status for outcome in outcomes] == [200, 200, 429]
    assert left(outcomes) == [99, 29, 0]


@pytest.mark.parametrize(
    ("place", "charged"),
    [("json:/choices/0/cost", 4), ("json:/usage/total_tokens", 2), ("header:x-cost", 3), ("json:/choices/1/cost", 1)],
)
def test_the_cost_is_read_where_the_configuration_says(place: str, charged: int, tmp_path: Path) -> None:
    plugin = RateLimit(limit=100, window=YEAR, response_cost=place)
    outcomes = send(plugin, said(1.5, **{"x-cost": "3"}), Response(), shared=tmp_path)
    assert left(outcomes) == [99, 99 - charged]


@pytest.mark.parametrize(
    "response",
    [
        Response(),
        said(None),
        said("7"),
        said(cost=True),
        said(-7),
        said([7]),
        Response(body="{", headers={"content-type": "application/json"}),
        Response(body="[" * 100_000, headers={"content-type": "application/json"}),
        Response(body=b"\xff", headers={"content-type": "application/json"}),
        Response(body='{"usage": {"total_tokens": NaN}}', headers={"content-type": "application/json"}),
        Response(body='{"usage": {"total_tokens": 1e999}}', headers={"content-type": "application/json"}),
        Response(body='{"usage": {"total_tokens": 70}}', headers={"content-type": "text/event-stream"}),
    ],
)
def test_a_response_that_tells_no_cost_costs_what_was_charged_at_first(response: Response, tmp_path: Path) -> None:
    plugin = RateLimit(limit=100, window=YEAR, cost=5, response_cost=TOKENS)
    outcomes = send(plugin, response, Response(), shared=tmp_path)
    assert [outcome.status for outcome in outcomes] == [200, 200]
    assert left(outcomes) == [95, 90]
    assert all(outcome.error is None for outcome in outcomes)


@pytest.mark.parametrize("number", ["", "7.5", "-7", "0x7", "7, 7", "9" * 16, "a secret"])
def test_a_header_that_is_no_number_is_named_in_the_log_and_not_shown(
    number: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plugin = RateLimit(limit=100, window=YEAR, response_cost="header:x-tokens")
    with caplog.at_level(logging.WARNING):
        outcomes = send(plugin, Response(headers={"x-tokens": number}), Response(), shared=tmp_path)
    assert left(outcomes) == [99, 98]
    assert "header x-tokens" in caplog.text
    assert "secret" not in caplog.text


def test_a_response_that_costs_less_than_was_charged_gives_nothing_back(tmp_path: Path) -> None:
    plugin = RateLimit(limit=100, window=YEAR, cost=5, response_cost="header:x-tokens")
    assert left(send(plugin, *[Response(headers={"x-tokens": "1"})] * 2, shared=tmp_path)) == [95, 90]


def test_a_price_beyond_all_bounds_is_bounded(tmp_path: Path) -> None:
    plugin = RateLimit(limit=100, window=YEAR, response_cost="header:x-tokens")
    outcomes = send(plugin, *[Response(headers={"x-tokens": "9" * 15})] * 2, shared=tmp_path)
    assert [outcome.status for outcome in outcomes] == [200, 429]


def test_a_refused_request_is_charged_nothing_for_its_response(tmp_path: Path) -> None:
    plugin = RateLimit(limit=3, window=YEAR, cost=2, response_cost="header:x-tokens")
    outcomes = send(plugin, *[Response(headers={"x-tokens": "2"})] * 3, shared=tmp_path)
    assert [outcome.status for outcome in outcomes] == [200, 429, 429]
    assert left(outcomes) == [1, 1, 1]


class Changing(Plugin):
    """Changes what requests are counted by, after they were counted."""

    priority = 1

    def on_request(self, request: Request) -> None:
        request.consumer = Consumer("somebody else")


def test_who_was_asked_pays_whatever_later_plugins_make_of_the_request(tmp_path: Path) -> None:
    plugin = RateLimit(limit=100, window=YEAR, response_cost="header:x-tokens")
    outcomes = send([plugin, Changing()], *[Response(headers={"x-tokens": "60"})] * 2, shared=tmp_path)
    assert left(outcomes) == [99, 39]


def test_a_cost_that_cannot_be_charged_keeps_no_response_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = SharedCounters.try_take

    def failing(self: SharedCounters, charges: Any, *, owed: bool = False) -> Any:
        if owed:
            raise StorageError("gone")
        return take(self, charges)

    monkeypatch.setattr(SharedCounters, "try_take", failing)
    plugin = RateLimit(limit=100, window=YEAR, response_cost="header:x-tokens")
    [outcome] = send(plugin, Response(headers={"x-tokens": "60"}), shared=tmp_path)
    assert (outcome.status, outcome.error) == (200, None)


def test_only_what_is_needed_is_asked_of_the_gateway() -> None:
    def hooks(**more: Any) -> set[str]:
        return set(RateLimit(limit=1, window=60, **more).hooks())

    assert hooks() == {"on_request"}
    assert hooks(response_cost="header:x-tokens") == {"on_request", "on_response"}
    assert hooks(response_cost=TOKENS) == {"on_request", "on_response", "on_response_body"}
