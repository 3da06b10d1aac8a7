"""concurrency-limit: who shares a limit, what ends a request, and what happens when nobody can count."""

import asyncio
import json
import logging
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import TypeAdapter, ValidationError

from harness.callers import As, somebody_has
from harness.chains import chain, walked
from outrider import Plugin, Reply, Request, Response, Route, Runtime
from outrider.exchange import Exchange
from outrider.metrics import Metrics
from outrider.testing import Outcome, Runner
from outrider.verdict import PASS
from outrider_plugins.concurrency_limit import ConcurrencyLimit
from outrider_plugins.counting.watched import uncounted_counter
from outrider_plugins.places import place_table

Ends = Literal["", "replies", "fails", "fails in its response"]


class Waits(Plugin):
    """Keeps requests in flight until all have come, and ends them as it is told."""

    gate: asyncio.Event
    ends: Ends = ""
    waiting: int = 0

    async def on_request(self, _: Request) -> Reply:
        self.waiting += 1
        await self.gate.wait()
        if self.ends == "fails":
            raise ValueError
        return Response(418) if self.ends == "replies" else None

    def on_response(self, _: Request, __: Response) -> None:
        if self.ends == "fails in its response":
            raise ValueError


async def together(runner: Runner, waits: Waits, *requests: Request) -> list[Outcome]:
    """What comes of requests that are in flight at once, in the order in which they came."""
    waits.gate.clear()
    waits.waiting = 0
    sent = [asyncio.ensure_future(runner.send(request)) for request in requests]
    async with asyncio.timeout(15):
        while waits.waiting + sum(one.done() for one in sent) < len(sent):
            await asyncio.sleep(0)
    waits.gate.set()
    return await asyncio.gather(*sent)


def at_once(
    plugin: ConcurrencyLimit, *rounds: Sequence[Request], runtime: Runtime, ends: Ends = ""
) -> list[list[Outcome]]:
    """The same for one round after the other."""

    async def main() -> list[list[Outcome]]:
        waits = Waits(gate=asyncio.Event(), ends=ends)
        async with Runner([As(), plugin, waits], runtime) as runner:
            return [await together(runner, waits, *requests) for requests in rounds]

    return asyncio.run(main())


def statuses(plugin: ConcurrencyLimit, *requests: Request, shared: Path) -> list[int]:
    [outcomes] = at_once(plugin, requests, runtime=Runtime(shared=shared))
    return [outcome.status for outcome in outcomes]


def limit_one(by: str | list[str] = "ip", **more: Any) -> ConcurrencyLimit:
    return ConcurrencyLimit(limit=1, by=by, **more)


@contextmanager
def somebody_has_the_table(shared: Path) -> Generator[None]:
    place_table(shared / "concurrency-limit")
    with somebody_has(shared / "concurrency-limit"):
        yield


def test_the_request_above_the_limit_is_refused(tmp_path: Path) -> None:
    [outcomes] = at_once(ConcurrencyLimit(limit=2), [Request() for _ in range(4)], runtime=Runtime(shared=tmp_path))
    assert [outcome.status for outcome in outcomes] == [200, 200, 429, 429]
    assert json.loads(outcomes[2].body)["message"] == "Too many requests at once"
    assert outcomes[2].headers["retry-after"] == "1"
    assert outcomes[2].upstream is None


@pytest.mark.parametrize(
    ("ends", "status"), [("", 200), ("replies", 418), ("fails", 500), ("fails in its response", 500)]
)
def test_a_request_that_has_ended_makes_room_however_it_ended(ends: Ends, status: int, tmp_path: Path) -> None:
    rounds = [[Request() for _ in range(3)] for _ in range(3)]
    outcomes = at_once(ConcurrencyLimit(limit=2), *rounds, runtime=Runtime(shared=tmp_path), ends=ends)
    assert [[outcome.status for outcome in one] for one in outcomes] == 3 * [[status, status, 429]]


def test_a_request_that_was_broken_off_makes_room(tmp_path: Path) -> None:
    async def main() -> list[int]:
        waits = Waits(gate=asyncio.Event())
        async with Runner([limit_one(), waits], Runtime(shared=tmp_path)) as runner:
            for _ in range(3):
                left = asyncio.ensure_future(runner.send(Request()))
                while not waits.waiting:
                    await asyncio.sleep(0)
                left.cancel()
                await asyncio.wait([left])
            return [outcome.status for outcome in await together(runner, waits, Request())]

    assert asyncio.run(main()) == [200]


def test_two_workers_share_one_limit(tmp_path: Path) -> None:
    async def main() -> list[int]:
        waits = Waits(gate=asyncio.Event())
        async with (
            Runner([limit_one(), waits], Runtime(shared=tmp_path)) as one,
            Runner([limit_one()], Runtime(shared=tmp_path)) as other,
        ):
            first = asyncio.ensure_future(one.send(Request()))
            while not waits.waiting:
                await asyncio.sleep(0)
            refused = await other.send(Request())
            waits.gate.set()
            return [(await first).status, refused.status, (await other.send(Request())).status]

    assert asyncio.run(main()) == [200, 429, 200]


def test_an_ending_that_another_worker_sees_makes_room(tmp_path: Path) -> None:
    """As behind Kong: what passes from phase to phase is JSON."""

    async def main() -> list[bool]:
        runtime = Runtime(shared=tmp_path, sees_endings=False)
        plugins = limit_one(), limit_one()
        for plugin in plugins:
            await plugin.start(runtime)
        one, other = (chain(plugin) for plugin in plugins)
        begun = one.begin(Request())
        passed = [await passes(begun), await passes(other.begin(Request()))]
        other.take_over(json.loads(json.dumps(one.hand_over(begun)))).end(aborted=False)
        return [*passed, await passes(one.begin(Request()))]

    assert asyncio.run(main()) == [True, False, True]


async def passes(exchange: Exchange) -> bool:
    return await walked(exchange.request_phase()) is PASS


@pytest.mark.parametrize(
    ("by", "first", "second"),
    [
        ("consumer", {"headers": {"x-as": "a"}}, {"headers": {"x-as": "b"}}),
        ("consumer", {"client": "192.0.2.1"}, {"client": "192.0.2.2"}),
        ("credential", {"headers": {"x-credential": "a"}}, {"headers": {"x-credential": "b"}}),
        ("ip", {"client": "2001:db8::1"}, {"client": "2001:db8:0:1::1"}),
        ("header:X-Team", {"headers": {"x-team": "a"}}, {"headers": {"x-team": "b"}}),
        ("claim:org", {"headers": {"x-claims": '{"org": 1}'}}, {"headers": {"x-claims": '{"org": 2}'}}),
        (["route", "ip"], {"route": Route("a")}, {"route": Route("b")}),
        ("service", {"route": Route("a", service="s")}, {"route": Route("a", service="t")}),
    ],
)
def test_callers_that_differ_have_limits_of_their_own(
    by: str | list[str], first: Mapping[str, Any], second: Mapping[str, Any], tmp_path: Path
) -> None:
    requests = [Request(**first), Request(**second), Request(**first), Request(**second)]
    assert statuses(limit_one(by), *requests, shared=tmp_path) == [200, 200, 429, 429]


def test_as_much_of_an_ipv6_address_counts_as_is_asked_for(tmp_path: Path) -> None:
    neighbours = [Request(client="2001:db8::1"), Request(client="2001:db8:0:1::1")]
    assert statuses(limit_one(ipv6_prefix=48), *neighbours, shared=tmp_path) == [200, 429]


def test_a_configuration_at_another_place_in_the_file_counts_apart(tmp_path: Path) -> None:
    async def main() -> list[int]:
        waits = Waits(gate=asyncio.Event())
        async with (
            Runner([limit_one(), waits], Runtime(shared=tmp_path, scope="here")) as here,
            Runner([limit_one()], Runtime(shared=tmp_path, scope="there")) as there,
        ):
            first = asyncio.ensure_future(here.send(Request()))
            while not waits.waiting:
                await asyncio.sleep(0)
            second = await there.send(Request())
            waits.gate.set()
            return [(await first).status, second.status]

    assert asyncio.run(main()) == [200, 200]


def test_a_busy_table_is_waited_for(tmp_path: Path) -> None:
    async def main() -> list[int]:
        async with Runner([limit_one()], Runtime(shared=tmp_path)) as runner:
            with somebody_has_the_table(tmp_path):
                waiting = asyncio.ensure_future(runner.send(Request()))
                await asyncio.sleep(0)
            return [(await waiting).status, (await runner.send(Request())).status]

    assert asyncio.run(main()) == [200, 200]


@pytest.mark.parametrize(("choice", "status"), [("deny", 503), ("allow", 200)])
def test_when_nobody_can_count_the_configuration_decides(choice: Any, status: int, tmp_path: Path) -> None:
    with somebody_has_the_table(tmp_path):
        assert statuses(limit_one(on_storage_error=choice), Request(), shared=tmp_path) == [status]


def test_a_full_table_refuses_new_callers(tmp_path: Path) -> None:
    place_table(tmp_path / "concurrency-limit", slots=64)
    callers = [Request(client=f"192.0.2.{number}") for number in range(65)]
    assert statuses(limit_one(), *callers, shared=tmp_path) == [200] * 64 + [503]


def test_one_line_a_minute_says_that_nobody_can_count_and_none_names_the_caller(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    requests = [Request(headers={"x-team": "a secret"}) for _ in range(3)]
    with caplog.at_level(logging.DEBUG), somebody_has_the_table(tmp_path):
        statuses(limit_one("header:x-team"), *requests, shared=tmp_path)
    assert [record.levelname for record in caplog.records if "concurrency" in record.name] == ["ERROR"]
    assert "a secret" not in caplog.text


@pytest.mark.parametrize(("choice", "told"), [("deny", "they are refused"), ("allow", "they are let on")])
def test_what_could_not_be_counted_is_counted_as_such(
    choice: Any, told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics(slots=1 << 12)
    with somebody_has_the_table(tmp_path):
        plugin, requests = limit_one(on_storage_error=choice), [Request() for _ in range(3)]
        at_once(plugin, requests, runtime=Runtime(shared=tmp_path, metrics=metrics))
    assert uncounted_counter(metrics, "concurrency-limit").value == 3
    assert told in caplog.text


def test_what_later_plugins_see_does_not_name_the_caller(tmp_path: Path) -> None:
    [[outcome]] = at_once(
        limit_one("header:x-team"),
        [Request(headers={"x-team": "a secret"})],
        runtime=Runtime(shared=tmp_path),
    )
    assert outcome.upstream is not None
    assert outcome.upstream.context
    assert "a secret" not in json.dumps(outcome.upstream.context)


def test_a_dry_run_refuses_nobody_and_tells_what_would_have_become_of_requests(tmp_path: Path) -> None:
    metrics = Metrics(slots=1 << 12)
    requests = [Request(route=Route("orders")) for _ in range(3)]
    rounds = at_once(limit_one(dry_run=True), requests, requests, runtime=Runtime(shared=tmp_path, metrics=metrics))
    assert {outcome.status for outcomes in rounds for outcome in outcomes} == {200}
    help_ = "What would have become of requests under a concurrency-limit with dry_run."

    def told(outcome: str) -> float:
        name = "outrider_concurrency_limit_dry_run_total"
        return metrics.counter(name, help_, route="orders", outcome=outcome).value

    assert (told("passed"), told("refused")) == (2, 4)


def test_a_dry_run_lets_requests_on_that_can_not_be_counted(tmp_path: Path) -> None:
    with somebody_has_the_table(tmp_path):
        assert statuses(limit_one(dry_run=True), Request(), shared=tmp_path) == [200]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "Field required"),
        ({"limit": 0}, "greater than or equal to 1"),
        ({"limit": 1, "by": "consumr"}, "'consumr' is nothing to count by"),
        ({"limit": 1, "lease": 0}, "greater than or equal to 1"),
        ({"limit": 1, "ipv6_prefix": 129}, "less than or equal to 128"),
        ({"limit": 1, "on_storage_error": "local"}, "'deny' or 'allow'"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_in_a_sentence(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(words)):
        TypeAdapter(ConcurrencyLimit).validate_python(config)
