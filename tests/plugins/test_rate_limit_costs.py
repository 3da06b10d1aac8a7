"""rate-limit where requests have a price: charged before, and what a response tells charged after it."""

import asyncio
import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from gzip import compress
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from outrider import Consumer, Plugin, Request, Response, Runtime
from outrider.testing import Outcome, Runner
from outrider_plugins.counted_by import key_reader
from outrider_plugins.counting.fixed_window import FixedWindow
from outrider_plugins.counting.rule import Charge
from outrider_plugins.counting.shared_memory import SharedCounters
from outrider_plugins.counting.storage import StorageError
from outrider_plugins.rate_limit import RateLimit
from outrider_plugins.response_cost import LARGEST

YEAR = 366 * 86_400
TOKENS = "json:/usage/total_tokens"
JSON = {"content-type": "application/json"}
FORMS = ("accept-encoding", "range", "if-range")


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
        Response(body="{", headers=JSON),
        Response(body="[" * 100_000, headers=JSON),
        Response(body=b"\xff", headers=JSON),
        Response(body='{"usage": {"total_tokens": NaN}}', headers=JSON),
        Response(body='{"usage": {"total_tokens": 1e999}}', headers=JSON),
        Response(body=f'{{"usage": {{"total_tokens": -{"9" * 5000}}}}}', headers=JSON),
        Response(body=b'{"usage": {"total_tokens": 70}}'.ljust(LARGEST + 1), headers=JSON),
        Response(body='{"usage": {"total_tokens": 70}}', headers={"content-type": "text/event-stream"}),
    ],
)
def test_a_response_that_tells_no_cost_costs_what_was_charged_at_first(response: Response, tmp_path: Path) -> None:
    plugin = RateLimit(limit=100, window=YEAR, cost=5, response_cost=TOKENS)
    outcomes = send(plugin, response, Response(), shared=tmp_path)
    assert [outcome.status for outcome in outcomes] == [200, 200]
    assert left(outcomes) == [95, 90]
    assert all(outcome.error is None for outcome in outcomes)


@pytest.mark.parametrize("number", ["", "7.", ".5", "-7", "0x7", "7, 7", "1e3", "a secret"])
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


@pytest.mark.parametrize("algorithm", ["fixed-window", "sliding-window", "gcra"])
@pytest.mark.parametrize(
    ("place", "digits"), [*product(["header:x-tokens", TOKENS], [15, 400]), ("header:x-tokens", 5000)]
)
def test_a_price_beyond_all_bounds_is_charged_and_bounded(
    algorithm: Any, place: str, digits: int, tmp_path: Path
) -> None:
    plugin = RateLimit(limit=100, window=60, algorithm=algorithm, response_cost=place)
    body = f'{{"usage": {{"total_tokens": {"9" * digits}}}}}'
    dear = Response(body=body, headers={"content-type": "application/json", "x-tokens": "9" * digits})
    outcomes = send(plugin, dear, dear, shared=tmp_path)
    assert [outcome.status for outcome in outcomes] == [200, 429]
    assert int(outcomes[1].headers["retry-after"]) <= 100 * 60


@pytest.mark.parametrize(("told", "charged"), [("3", 3), ("2.1", 3), ("2.0", 2), ("007", 7)])
def test_a_header_may_tell_a_part_of_a_whole_one(told: str, charged: int, tmp_path: Path) -> None:
    plugin = RateLimit(limit=100, window=YEAR, response_cost="header:x-tokens")
    assert left(send(plugin, *[Response(headers={"x-tokens": told})] * 2, shared=tmp_path)) == [99, 99 - charged]


def test_the_header_that_tells_the_cost_can_be_hidden(tmp_path: Path) -> None:
    plugin = RateLimit(limit=100, window=YEAR, response_cost="header:x-tokens", hide_response_cost=True)
    outcomes = send(plugin, *[Response(headers={"x-tokens": "60"})] * 2, shared=tmp_path)
    assert left(outcomes) == [99, 39]
    assert all("x-tokens" not in outcome.headers for outcome in outcomes)


@pytest.mark.parametrize(("place", "kept"), [(TOKENS, []), ("header:x-tokens", ["gzip", "bytes=0-0", "x"])])
def test_nobody_gets_a_price_in_a_body_in_a_form_that_can_not_be_read(
    place: str, kept: list[str], tmp_path: Path
) -> None:
    async def main() -> Outcome:
        request = Request(headers={"accept-encoding": "gzip", "range": "bytes=0-0", "if-range": "x"})
        plugin = RateLimit(limit=100, window=YEAR, response_cost=place)
        async with Runner([plugin], Runtime(shared=tmp_path)) as runner:
            return await runner.send(request)

    upstream = asyncio.run(main()).upstream
    assert upstream is not None
    assert [upstream.headers[name] for name in FORMS if name in upstream.headers] == kept


def test_many_responses_without_a_price_leave_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plugin = RateLimit(limit=100, window=YEAR, response_cost="header:x-tokens")
    with caplog.at_level(logging.WARNING):
        send(plugin, *[Response()] * 5, shared=tmp_path)
    assert len([record for record in caplog.records if "x-tokens" in record.getMessage()]) == 1


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


class Leaving(Plugin):
    """Holds a response until its caller has left."""

    priority = 1

    async def on_response(self, request: Request, response: Response) -> None:
        if "x-leaves" in request.headers:
            await asyncio.Event().wait()


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


@pytest.mark.parametrize("place", ["header:x-tokens", TOKENS])
@pytest.mark.parametrize(
    "response",
    [
        Response(),
        Response(body="<html>", headers={"content-type": "text/html"}),
        Response(body="{}", headers={**JSON, "x-tokens": "many"}),
        Response(headers={**JSON, "content-encoding": "gzip"}, body=compress(b'{"usage": {"total_tokens": 2}}')),
        Response(status=503),
    ],
)
def test_a_response_that_tells_nothing_costs_what_the_file_says(
    place: str, response: Response, tmp_path: Path
) -> None:
    plugin = RateLimit(limit=100, window=YEAR, response_cost=place, unknown_cost=60)
    assert left(send(plugin, response, response, shared=tmp_path)) == [99, 39]


@pytest.mark.parametrize(("unknown", "expected"), [(60, 39), (None, 98)])
def test_whoever_leaves_before_the_response_pays_what_the_file_says(
    unknown: int | None, expected: int, tmp_path: Path
) -> None:
    async def main() -> list[Outcome]:
        plugin = RateLimit(limit=100, window=YEAR, response_cost="header:x-tokens", unknown_cost=unknown)
        async with Runner([plugin, Leaving()], Runtime(shared=tmp_path)) as runner:
            with suppress(TimeoutError):
                await asyncio.wait_for(runner.send(Request(headers={"x-leaves": "yes"})), 0.01)
            return [await runner.send(Request())]

    assert left(asyncio.run(main())) == [expected]


def test_a_request_is_charged_once_however_it_ends(tmp_path: Path) -> None:
    plugin = RateLimit(limit=100, window=YEAR, response_cost=TOKENS, unknown_cost=60)
    assert left(send(plugin, said(7), said(7), shared=tmp_path)) == [99, 92]


def test_a_refused_request_owes_nothing(tmp_path: Path) -> None:
    plugin = RateLimit(limit=3, window=YEAR, cost=2, response_cost=TOKENS, unknown_cost=3)
    assert left(send(plugin, said(2), said(2), said(2), shared=tmp_path)) == [1, 1, 1]


def test_only_what_is_needed_is_asked_of_the_gateway() -> None:
    def hooks(**more: Any) -> set[str]:
        return set(RateLimit(limit=1, window=60, **more).hooks())

    assert hooks() == {"on_request"}
    assert hooks(response_cost="header:x-tokens") == {"on_request", "on_response"}
    assert hooks(response_cost=TOKENS) == {"on_request", "on_response", "on_response_body"}
    assert hooks(response_cost="header:x-tokens", unknown_cost=9) == {"on_request", "on_response", "on_log"}


def test_a_dry_run_charges_no_response_of_a_request_that_it_would_have_refused(tmp_path: Path) -> None:
    dry = RateLimit(limit=3, window=YEAR, response_cost=TOKENS, dry_run=True)
    send(dry, said(3), said(50), said(50), shared=tmp_path)
    [usage] = SharedCounters(tmp_path / "rate-limit").try_take([Charge(FixedWindow(99, YEAR), counted(dry), 0)]) or []
    assert usage.remaining == 96


def counted(plugin: RateLimit) -> bytes:
    """The key that requests of the same caller have."""
    key = key_reader(plugin.by, "")(Request())
    return sha256(key.encode()).hexdigest().encode()
