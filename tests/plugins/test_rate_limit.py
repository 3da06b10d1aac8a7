"""rate-limit: who shares a counter, what is told, and what happens when nobody can count."""

import asyncio
import json
import logging
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from harness.callers import As, somebody_has
from outrider import Plugin, Request, Route, Runtime
from outrider.testing import Outcome, Runner
from outrider_plugins.counting.shared_memory import SharedCounters
from outrider_plugins.rate_limit import Limit, RateLimit

YEAR = 366 * 86_400  # no test lives long enough to see this window change
ALLOWING: dict[str, Any] = {"limit": 3, "window": 60, "on_storage_error": "allow"}
IN_BODY: dict[str, Any] = {"limit": 3, "window": 60, "response_cost": "json:/a"}


def send(plugins: Sequence[Plugin], *requests: Request, shared: Path) -> list[Outcome]:
    async def main() -> list[Outcome]:
        async with Runner(plugins, Runtime(shared=shared)) as runner:
            return [await runner.send(request) for request in requests]

    return asyncio.run(main())


def statuses(plugin: RateLimit, *requests: Request, shared: Path) -> list[int]:
    return [outcome.status for outcome in send([As(), plugin], *requests, shared=shared)]


def limit_one(by: str | list[str], **more: Any) -> RateLimit:
    return RateLimit(limit=1, window=YEAR, by=by, **more)


@contextmanager
def somebody_holds_the_counters(shared: Path) -> Generator[None]:
    SharedCounters(shared / "rate-limit")
    with somebody_has(shared / "rate-limit"):
        yield


def test_the_request_after_the_limit_is_refused(tmp_path: Path) -> None:
    plugin = RateLimit(limit=2, window=YEAR)
    assert statuses(plugin, Request(), Request(), Request(), shared=tmp_path) == [200, 200, 429]


def test_downstream_is_told_how_much_is_left_and_until_when(tmp_path: Path) -> None:
    passed, refused = send([RateLimit(limit=1, window=YEAR)], Request(), Request(), shared=tmp_path)
    assert passed.headers["ratelimit-policy"] == refused.headers["ratelimit-policy"] == f'"{YEAR}s";q=1;w={YEAR}'
    assert re.fullmatch(rf'"{YEAR}s";r=0;t=[1-9][0-9]*', passed.headers["ratelimit"])
    assert "retry-after" not in passed.headers
    assert 1 <= int(refused.headers["retry-after"]) <= YEAR
    assert json.loads(refused.body)["message"] == "Too many requests"
    assert refused.upstream is None


def test_what_upstream_gets_is_not_touched(tmp_path: Path) -> None:
    [outcome] = send([RateLimit(limit=1, window=YEAR)], Request(), shared=tmp_path)
    assert outcome.upstream is not None
    assert not outcome.upstream.headers.changed


def test_all_limits_must_hold_and_a_refused_request_is_counted_in_none(tmp_path: Path) -> None:
    narrow, wide = Limit(limit=1, window=YEAR), Limit(limit=3, window=YEAR - 86_400)
    outcomes = send([RateLimit(limits=[narrow, wide])], *(Request() for _ in range(3)), shared=tmp_path)
    assert [outcome.status for outcome in outcomes] == [200, 429, 429]
    assert f'"{YEAR}s";r=0;' in outcomes[2].headers["ratelimit"]
    assert f'"{YEAR - 86_400}s";r=2;' in outcomes[2].headers["ratelimit"]


def test_two_workers_share_one_counter(tmp_path: Path) -> None:
    assert statuses(limit_one("ip"), Request(), shared=tmp_path) == [200]
    assert statuses(limit_one("ip"), Request(), shared=tmp_path) == [429]


@pytest.mark.parametrize(
    ("by", "first", "second"),
    [
        ("consumer", {"headers": {"x-as": "a"}}, {"headers": {"x-as": "b"}}),
        ("consumer", {"headers": {"x-credential": "a"}}, {"headers": {"x-credential": "b"}}),
        ("consumer", {"headers": {"x-as": "a"}}, {"headers": {"x-credential": "a"}}),
        ("consumer", {"client": "192.0.2.1"}, {"client": "192.0.2.2"}),
        ("consumer", {"client": "192.0.2.1"}, {"headers": {"x-as": "192.0.2.1"}}),
        ("credential", {"headers": {"x-credential": "a"}}, {"headers": {"x-credential": "b"}}),
        ("credential", {"client": "192.0.2.1"}, {"client": "192.0.2.2"}),
        ("ip", {"client": "192.0.2.1"}, {"client": "192.0.2.2"}),
        ("ip", {"client": "2001:db8::1"}, {"client": "2001:db8:0:1::1"}),
        ("ip", {"client": "::ffff:192.0.2.1"}, {"client": "::ffff:192.0.2.2"}),
        ("header:X-Team", {"headers": {"x-team": "a"}}, {"headers": {"x-team": "b"}}),
        ("header:x-team", {"client": "192.0.2.1"}, {"client": "192.0.2.2"}),
        ("claim:org.id", {"headers": {"x-claims": '{"org": {"id": 1}}'}}, {"headers": {"x-claims": "{}"}}),
        (
            ["header:x-a", "header:x-b"],
            {"headers": {"x-a": "1", "x-b": "2value 3"}},
            {"headers": {"x-a": "1value 2", "x-b": "3"}},
        ),
        (["ip", "header:x-a"], {"headers": {"x-a": "1"}}, {"headers": {"x-a": "2"}}),
        ("header:x-a", {"headers": {"x-a": "a" * 9000 + "1"}}, {"headers": {"x-a": "a" * 9000 + "2"}}),
    ],
)
def test_callers_that_differ_have_counters_of_their_own(
    by: str | list[str], first: Mapping[str, Any], second: Mapping[str, Any], tmp_path: Path
) -> None:
    requests = [Request(**first), Request(**second), Request(**first), Request(**second)]
    assert statuses(limit_one(by), *requests, shared=tmp_path) == [200, 200, 429, 429]


@pytest.mark.parametrize(
    ("by", "first", "second"),
    [
        ("consumer", {"headers": {"x-as": "a", "x-credential": "1"}}, {"headers": {"x-as": "a"}}),
        ("credential", {"headers": {"x-credential": "a", "x-as": "a"}}, {"headers": {"x-credential": "a"}}),
        ("ip", {"headers": {"x-as": "a"}}, {"headers": {"x-as": "b"}}),
        ("ip", {"client": "2001:db8::1"}, {"client": "2001:db8:0:0:ffff::2"}),
        ("ip", {"client": "::ffff:192.0.2.1"}, {"client": "192.0.2.1"}),
        ("route", {"client": "192.0.2.1"}, {"client": "192.0.2.2"}),
        ("service", {"client": "192.0.2.1"}, {"client": "192.0.2.2"}),
        ("header:x-team", {"headers": {"x-team": "\udcff"}}, {"headers": {"x-team": "\udcff"}}),
    ],
)
def test_callers_that_do_not_differ_share_one(
    by: str, first: Mapping[str, Any], second: Mapping[str, Any], tmp_path: Path
) -> None:
    assert statuses(limit_one(by), Request(**first), Request(**second), shared=tmp_path) == [200, 429]


def test_routes_and_services_are_counted_apart_where_asked(tmp_path: Path) -> None:
    def on(route: str, service: str) -> int:
        request = Request(route=Route(route, service=service))
        return statuses(limit_one(["route", "service"]), request, shared=tmp_path)[0]

    assert [on("a", "s"), on("b", "s"), on("a", "t"), on("a", "s")] == [200, 200, 200, 429]


def test_a_busy_table_is_waited_for(tmp_path: Path) -> None:
    async def main() -> int:
        async with Runner([limit_one("ip")], Runtime(shared=tmp_path)) as runner:
            with somebody_holds_the_counters(tmp_path):
                waiting = asyncio.create_task(runner.send(Request()))
                await asyncio.sleep(0)
            return (await waiting).status

    assert asyncio.run(main()) == 200


@pytest.mark.parametrize(("choice", "expected"), [("deny", [503, 503]), ("allow", [200, 200]), ("local", [200, 429])])
def test_when_nobody_can_count_the_configuration_decides(choice: Any, expected: list[int], tmp_path: Path) -> None:
    plugin = limit_one("ip", on_storage_error=choice)
    with somebody_holds_the_counters(tmp_path):
        assert statuses(plugin, Request(), Request(), shared=tmp_path) == expected


def test_a_full_table_refuses_new_callers(tmp_path: Path) -> None:
    SharedCounters(tmp_path / "rate-limit", slots=64)
    callers = [Request(client=f"192.0.2.{number}") for number in range(65)]
    assert statuses(limit_one("ip"), *callers, shared=tmp_path) == [200] * 64 + [503]


def test_one_line_a_minute_says_that_nobody_can_count_and_none_names_the_caller(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    requests = [Request(headers={"x-team": "a secret"}) for _ in range(3)]
    with caplog.at_level(logging.DEBUG), somebody_holds_the_counters(tmp_path):
        statuses(limit_one("header:x-team"), *requests, shared=tmp_path)
    assert [record.levelname for record in caplog.records if "rate-limit" in record.name] == ["ERROR"]
    assert "a secret" not in caplog.text


def test_no_file_of_a_worker_of_its_own_is_left_behind(tmp_path: Path) -> None:
    statuses(limit_one("ip", on_storage_error="local"), Request(), shared=tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["rate-limit"]


def test_the_headers_are_declared() -> None:
    assert set(limit_one("ip").needs().reply_headers) == {"ratelimit", "ratelimit-policy"}
    assert limit_one("ip", headers=[]).needs().reply_headers == ()
    assert "x-ratelimit-reset" in limit_one("ip", headers=["x-ratelimit"]).needs().reply_headers


def test_the_older_headers_tell_of_the_limit_that_has_least_left(tmp_path: Path) -> None:
    limits = [Limit(limit=9, window=YEAR), Limit(limit=3, window=YEAR - 86_400)]
    [outcome] = send([RateLimit(limits=limits, headers=["x-ratelimit"])], Request(), shared=tmp_path)
    told = {name: outcome.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "reset")}
    assert (told["limit"], told["remaining"]) == ("3", "2")
    assert 1 <= int(told["reset"]) <= YEAR
    assert "ratelimit" not in outcome.headers


def test_nothing_is_told_where_nothing_is_asked_for(tmp_path: Path) -> None:
    passed, refused = send([limit_one("ip", headers=[])], Request(), Request(), shared=tmp_path)
    assert not [name for outcome in (passed, refused) for name in outcome.headers if "ratelimit" in name]
    assert refused.status == 429
    assert int(refused.headers["retry-after"]) >= 1


def test_gcra_tells_its_burst_and_lets_it_through_at_once(tmp_path: Path) -> None:
    plugin = RateLimit(limit=1, window=86_400, burst=3, algorithm="gcra")
    outcomes = send([plugin], *[Request()] * 4, shared=tmp_path)
    assert [outcome.status for outcome in outcomes] == [200, 200, 200, 429]
    assert outcomes[0].headers["ratelimit-policy"] == '"86400s";q=3;w=259200'
    assert 80_000 < int(outcomes[3].headers["retry-after"]) <= 86_400


@pytest.mark.parametrize(
    ("prefix", "expected"), [(64, [200, 429, 429]), (128, [200, 200, 200]), (127, [200, 429, 200])]
)
def test_the_prefix_says_how_many_addresses_count_as_one(prefix: int, expected: list[int], tmp_path: Path) -> None:
    callers = [Request(client=f"2001:db8::{last}") for last in (2, 3, 4)]
    assert statuses(limit_one("ip", ipv6_prefix=prefix), *callers, shared=tmp_path) == expected


def test_a_dry_run_refuses_nobody_tells_nobody_and_counts_what_would_have_been(tmp_path: Path) -> None:
    async def main() -> tuple[list[Outcome], dict[str, float]]:
        runtime = Runtime(shared=tmp_path)
        async with Runner([limit_one("ip", dry_run=True)], runtime) as runner:
            outcomes = [await runner.send(Request(route=Route("r"))) for _ in range(3)]
        name, help_ = (
            "outrider_rate_limit_dry_run_total",
            "What would have become of requests under a rate-limit with dry_run.",
        )
        counted = {
            outcome: runtime.metrics.counter(name, help_, route="r", outcome=outcome).value
            for outcome in ("passed", "refused")
        }
        return outcomes, counted

    outcomes, counted = asyncio.run(main())
    assert [outcome.status for outcome in outcomes] == [200] * 3
    assert not any("ratelimit" in name for outcome in outcomes for name in outcome.headers)
    assert counted == {"passed": 1, "refused": 2}


def test_a_dry_run_refuses_nobody_when_nobody_can_count(tmp_path: Path) -> None:
    with somebody_holds_the_counters(tmp_path):
        assert statuses(limit_one("ip", dry_run=True), Request(), shared=tmp_path) == [200]


def test_an_address_of_a_storage_is_not_shown() -> None:
    config = {"limit": 1, "window": 60, "storage": "redis://user:hunter2@localhost"}
    plugin = TypeAdapter(RateLimit).validate_python(config)
    assert "hunter2" not in f"{plugin!r}"
    assert "hunter2" not in f"{plugin.storage!r} {plugin.storage}"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "give limit and window, or limits"),
        ({"limit": 1}, "belong together"),
        ({"window": 60}, "belong together"),
        ({"limit": 1, "window": 60, "limits": [{"limit": 1, "window": 60}]}, "remove one kind"),
        ({"limits": [{"limit": 1, "window": 60}, {"limit": 2, "window": 60}]}, "have the same window"),
        ({"limits": [{"limit": 1, "window": second} for second in range(1, 10)]}, "at most 8"),
        ({"limit": 0, "window": 60}, "greater than or equal to 1"),
        ({"limit": 1, "window": 0}, "greater than or equal to 1"),
        ({"limit": 1, "window": 60, "by": "consumr"}, "'consumr' is nothing to count by"),
        ({"limit": 1, "window": 60, "by": "header:"}, "nothing to count by"),
        ({"limit": 1, "window": 60, "by": "header:a b"}, "no header name"),
        ({"limit": 1, "window": 60, "by": ["ip", "x"]}, "'x' is nothing to count by"),
        ({"limit": 1, "window": 60, "by": []}, "is empty"),
        ({"limit": 1, "window": 60, "burst": 2}, "belongs to the algorithm gcra, not to fixed-window"),
        ({"limits": [{"limit": 1, "window": 60, "burst": 2}]}, "belongs to the algorithm gcra"),
        ({"limits": [{"limit": 1, "window": 60}], "burst": 2, "algorithm": "gcra"}, "give each of limits its own"),
        ({"limit": 1, "window": YEAR, "burst": 10**12, "algorithm": "gcra"}, "too large for so slow a rate"),
        ({"limit": 3, "window": 60, "cost": 4}, "lets only 3 pass at once: no request would"),
        ({"limit": 5, "window": 60, "burst": 3, "algorithm": "gcra", "cost": 4}, "lets only 3 pass at once"),
        (ALLOWING | {"storage": "redis://h", "storage_timeout": 1000}, "a check may take 1000 ms"),
        (ALLOWING | {"storage": "redis+cluster://h", "storage_timeout": 500}, "a check may take 1000 ms"),
        (ALLOWING | {"timeout": 100}, "so that on_storage_error would never decide"),
        ({"limit": 3, "window": 60, "hide_response_cost": True}, "no response_cost in a header"),
        (
            {"limit": 3, "window": 60, "response_cost": "json:/a", "hide_response_cost": True},
            "no response_cost in a header",
        ),
        ({"limit": 3, "window": 60, "unknown_cost": 2}, "without response_cost"),
        ({"limit": 3, "window": 60, "response_cost": "x-cost"}, "no place of a number"),
        ({"limit": 3, "window": 60, "response_cost": "json:usage"}, "no place of a number"),
        ({"limit": 3, "window": 60, "namespace": "my shop"}, "'my shop' is no namespace: use 1 to 64 letters"),
        ({"limit": 3, "window": 60, "headers": ["x"]}, "'ietf' or 'x-ratelimit'"),
        ({"limit": 3, "window": 60, "ipv6_prefix": 129}, "less than or equal to 128"),
        ({"limit": 1, "window": 60, "storage": "reddis://user:hunter2@h"}, "redis://"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_in_a_sentence(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(words)) as caught:
        TypeAdapter(RateLimit).validate_python(config)
    assert all("hunter2" not in error["msg"] for error in caught.value.errors())
