"""What the rate limit service lets through, over real counts."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from harness.rate_limit_service import OK, OVER, Asking, Clock, of
from outrider_cli.rate_limit_service import StorageLimiter
from outrider_envoy.asked_limits import DESCRIPTORS
from outrider_envoy.proto.rate_limit_pb2 import RateLimitDescriptor, RateLimitResponse
from outrider_envoy.rate_limit_service import Hits
from outrider_plugins.counting.rule import Usage
from outrider_plugins.counting.shared_memory import SharedCounters


@pytest.fixture
def asking(tmp_path: Path) -> Asking:
    clock = Clock()
    return Asking(StorageLimiter(SharedCounters(tmp_path / "counts", clock=clock)), clock)


def test_exactly_the_limit_passes_and_each_answer_tells_what_is_left(asking: Asking) -> None:
    answers = [asking(of("two")) for _ in range(3)]
    assert [answer.overall_code for answer in answers] == [OK, OK, OVER]
    statuses = [answer.statuses[0] for answer in answers]
    assert [(one.code, one.limit_remaining) for one in statuses] == [(OK, 1), (OK, 0), (OVER, 0)]
    limit = statuses[2].current_limit
    assert (limit.name, limit.requests_per_unit, limit.unit) == ("a pair", 2, RateLimitResponse.RateLimit.MINUTE)
    assert statuses[2].duration_until_reset.seconds == 40
    assert [(one.key, one.value) for one in answers[2].response_headers_to_add] == [("retry-after", "40")]
    assert not answers[1].response_headers_to_add
    asking.clock.now += 40
    assert asking.codes(of("two"), times=3) == [OK, OK, OVER]
    assert (asking.told("ok"), asking.told("over_limit")) == (4, 2)


def test_a_request_over_one_limit_consumes_nothing_of_the_others(asking: Asking) -> None:
    assert asking.codes(of("two"), of("five"), times=4) == [OK, OK, OVER, OVER]
    refused = asking(of("two"), of("five"))
    assert [(one.code, one.limit_remaining) for one in refused.statuses] == [(OVER, 0), (OK, 3)]
    assert asking.codes(of("five"), times=4) == [OK, OK, OK, OVER]


def test_a_descriptor_that_comes_twice_in_a_message_counts_twice(asking: Asking) -> None:
    assert asking.codes(of("five"), of("five"), times=3) == [OK, OK, OVER]
    assert len(asking(of("five"), of("five")).statuses) == 2


@pytest.mark.parametrize(
    ("message", "descriptor", "left"), [(0, None, 4), (3, None, 2), (3, 2, 3), (3, 0, 5), (0, 0, 5)]
)
def test_a_request_counts_as_much_as_it_says(asking: Asking, message: int, descriptor: int | None, left: int) -> None:
    one = of("five") if descriptor is None else of("five", hits_addend=descriptor)
    answer = asking(one, hits_addend=message)
    assert (answer.overall_code, answer.statuses[0].limit_remaining) == (OK, left)


@pytest.mark.parametrize("hits", [6, 2**32, 2**64 - 1])
@pytest.mark.parametrize("key", ["five", "sliding", "even", "shadow"])
def test_what_a_descriptor_says_was_used_up_is_counted_though_it_is_too_much(
    asking: Asking, key: str, hits: int
) -> None:
    answer = asking(of(key, hits_addend=hits))
    assert answer.overall_code == (OK if key == "shadow" else OVER)
    assert asking.told("shadow" if key == "shadow" else "over_limit") == 1
    assert asking.codes(of(key)) == [OK if key == "shadow" else OVER]
    assert asking.told("shadow" if key == "shadow" else "over_limit") == 2


@pytest.mark.parametrize("key", ["five", "sliding", "even", "shadow"])
def test_whoever_asks_for_too_much_at_once_gets_and_uses_nothing(asking: Asking, key: str) -> None:
    answer = asking(of(key), hits_addend=6)
    assert answer.overall_code == (OK if key == "shadow" else OVER)
    assert asking.codes(of(key)) == [OK]


def test_what_is_told_at_the_end_of_requests_refuses_those_after_them(asking: Asking) -> None:
    # As Envoy does with apply_on_stream_done: it asks with 0 when a request begins, and tells the rest at its end.
    begin, end = of("five", hits_addend=0), of("five", hits_addend=4)
    assert [asking(one).overall_code for one in (begin, end, begin, end, begin)] == [OK, OK, OK, OVER, OVER]


def test_who_is_refused_is_told_what_is_left_after_what_was_used_up(asking: Asking) -> None:
    # Drains by one a second, and holds two; "five" has room, and counts it, too.
    answer = asking(of("even", hits_addend=4), of("five", hits_addend=4))
    assert [(one.code, one.limit_remaining) for one in answer.statuses] == [(OVER, 0), (OK, 1)]
    assert answer.statuses[0].duration_until_reset.seconds == 4
    assert [one.value for one in answer.response_headers_to_add] == ["4"]
    asking.clock.now += 4
    assert asking.codes(of("even")) == [OK]


def test_who_asks_what_is_left_where_nothing_is_left_asks_the_storage_once(tmp_path: Path) -> None:
    class Remembers(StorageLimiter):
        owed: ClassVar[list[bool]] = []

        def try_take(self, hits: Sequence[Hits], *, owed: bool = False) -> Sequence[Usage] | None:
            self.owed.append(owed)
            return super().try_take(hits, owed=owed)

    asking = Asking(Remembers(SharedCounters(tmp_path / "counts", clock=Clock())))
    costs = [6, 0]
    assert [asking(of("five", hits_addend=cost)).overall_code for cost in costs] == [OVER, OVER]
    assert Remembers.owed == [False, True, False]


def test_values_that_are_no_utf_8_are_counted_each_by_itself(asking: Asking) -> None:
    one, other = of("two", "\udcff\udcfe"), of("two", "\udcff\udcfd")
    assert b"\xff\xfe" in one.SerializeToString()
    assert asking.codes(one, times=3) == [OK, OK, OVER]
    assert asking.codes(other) == [OK]


def test_unlimited_and_unmatched_descriptors_pass_and_say_so(asking: Asking) -> None:
    answer = asking(of("any"), of("strange"), of("place"), of("two"))
    assert [one.code for one in answer.statuses] == [OK] * 4
    assert [one.limit_remaining for one in answer.statuses] == [2**32 - 1, 0, 0, 1]
    assert [one.HasField("current_limit") for one in answer.statuses] == [False, False, False, True]


@pytest.mark.parametrize("key", ["none", "never"])
def test_a_limit_of_nothing_lets_nothing_through(asking: Asking, key: str) -> None:
    assert asking.codes(of(key), times=2) == [OVER, OVER]


def test_an_unknown_domain_has_no_limits_as_in_envoyproxy_ratelimit(
    asking: Asking, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        answer = asking(of("none"), of("two"), domain="shoppe")
        assert (answer.overall_code, [one.code for one in answer.statuses]) == (OK, [OK, OK])
    many = [RateLimitDescriptor()] * 10_000
    assert len(asking(*many, domain="shoppe").statuses) == DESCRIPTORS
    assert asking.told("ok", domain="") == 4
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    asking.clock.now += 61
    asking(of("none"), domain="shoppe")
    assert len(caplog.records) == 2


def test_a_shadow_counts_and_refuses_nobody(asking: Asking) -> None:
    answers = [asking(of("shadow"), of("five")) for _ in range(4)]
    assert [answer.overall_code for answer in answers] == [OK] * 4
    assert [answer.statuses[0].limit_remaining for answer in answers] == [1, 0, 0, 0]
    assert (asking.told("ok"), asking.told("shadow")) == (2, 2)


def test_a_shadow_is_not_charged_for_a_request_that_is_refused(asking: Asking) -> None:
    assert asking.codes(of("shadow"), of("none"), times=3) == [OVER] * 3
    assert asking(of("shadow")).statuses[0].limit_remaining == 1


def test_values_that_share_a_threshold_share_a_count(asking: Asking) -> None:
    assert [asking(of("group", value)).overall_code for value in ("a1", "a2", "a3")] == [OK, OK, OVER]


def test_a_limit_steps_back_for_one_that_replaces_it(asking: Asking) -> None:
    assert asking.codes(of("two"), of("special"), times=4) == [OK, OK, OK, OVER]
    assert asking.codes(of("two"), times=3) == [OK, OK, OVER]


def test_a_shadow_takes_nobodys_place(asking: Asking) -> None:
    assert asking.codes(of("two"), of("trial"), times=3) == [OK, OK, OVER]


def test_a_descriptor_may_bring_a_limit_of_its_own(asking: Asking) -> None:
    own = {"requests_per_unit": 3, "unit": 2}
    answers = [asking(of("strange", limit=own)) for _ in range(4)]
    assert [answer.overall_code for answer in answers] == [OK, OK, OK, OVER]
    assert answers[0].statuses[0].current_limit.requests_per_unit == 3


def test_of_two_limits_for_one_count_the_stricter_holds(asking: Asking) -> None:
    twice = [of("strange", limit={"requests_per_unit": many, "unit": 2}) for many in (9, 4)]
    assert asking.codes(*twice, times=3) == [OK, OK, OVER]


def test_a_sliding_window_forgets_the_one_before_little_by_little(asking: Asking) -> None:
    assert asking.codes(of("sliding"), times=3) == [OK, OK, OVER]
    asking.clock.now += 45  # 5 seconds into the next minute
    assert asking.codes(of("sliding")) == [OVER]
    asking.clock.now += 30
    assert asking.codes(of("sliding"), times=2) == [OK, OVER]


def test_gcra_lets_a_burst_through_and_then_an_even_rate(asking: Asking) -> None:
    assert asking.codes(of("even"), times=3) == [OK, OK, OVER]
    asking.clock.now += 1
    assert asking.codes(of("even"), times=2) == [OK, OVER]


def test_as_much_as_may_be_asked_is_answered(asking: Asking) -> None:
    many = [of("five", str(number)) for number in range(DESCRIPTORS)]
    assert len(asking(*many).statuses) == DESCRIPTORS
    assert asking.told("ok") == 1
