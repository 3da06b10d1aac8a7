"""The algorithms as arithmetic: what they let through, against what their definitions say in exact numbers."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import pytest

from harness.counting import Reference
from outrider.counting import Algorithm
from outrider_plugins.counting.algorithm import rule
from outrider_plugins.counting.gcra import Gcra
from outrider_plugins.counting.rule import MOST, Rule, State, Usage

MICRO = 1_000_000
NOON = 1_700_000_020 * MICRO  # 20 seconds before a full minute
ALGORITHMS: tuple[Algorithm, ...] = ("fixed-window", "sliding-window", "gcra")


@dataclass
class Key:
    """One key under a rule, as every storage keeps it."""

    rule: Rule
    state: State = (0, 0, 0)

    def take(self, moment: int, cost: int = 1) -> Usage:
        state = self.rule.advance(self.state, moment)
        passed = self.rule.fits(state, moment, cost)
        if passed:
            state = self.state = self.rule.charge(state, cost)
        return self.rule.usage(state, moment, cost, passed)

    def owe(self, moment: int, cost: int) -> None:
        self.state = self.rule.charge(self.rule.advance(self.state, moment), cost)


def moments(chance: random.Random, limit: int, window: int) -> Iterator[int]:
    """Times of requests: at once, about as often as the limit has it, at the edges of windows, after long pauses."""
    now, length = NOON, window * MICRO
    often = [0, 0, 1, length // limit // 2, length // limit, length // limit]
    while True:
        step = chance.choice(often) if chance.random() < 0.97 else chance.choice([length // 7, length, 3 * length])
        now += chance.randint(0, step) if chance.random() < 0.7 else step
        if chance.random() < 0.01:
            now += max(0, -now % length - chance.randint(0, 1))
        yield now


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("seed", range(20))
def test_what_passes_is_what_the_definition_says(algorithm: Algorithm, seed: int) -> None:
    chance = random.Random(f"{algorithm} {seed}")  # noqa: S311 - chance, no secret
    limit, window = chance.choice([1, 3, 7, 10, 100, 999]), chance.choice([1, 7, 60, 3600])
    burst = chance.choice([1, 5, limit, 10 * limit]) if algorithm == "gcra" else limit
    key = Key(rule(algorithm, limit, window, burst if algorithm == "gcra" else None))
    reference = Reference(algorithm, limit, window, burst)
    times = moments(chance, limit, window)
    for _ in range(600):
        moment, cost = next(times), chance.choice([1, 1, 1, 2, 5])
        assert key.take(moment, cost).passed == reference.take(moment, cost)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("seed", range(20))
def test_who_waits_as_long_as_told_gets_through_and_not_a_moment_earlier(algorithm: Algorithm, seed: int) -> None:
    chance = random.Random(f"wait {algorithm} {seed}")  # noqa: S311 - chance, no secret
    limit, window = chance.choice([2, 7, 30]), chance.choice([1, 7, 60])
    key = Key(rule(algorithm, limit, window))
    times = moments(chance, limit, window)
    refused = 0
    for _ in range(300):
        moment, cost = next(times), chance.choice([1, 1, 2])
        usage = key.take(moment, cost)
        if usage.passed:
            assert usage.retry == 0
            continue
        refused += 1
        again = moment + round(usage.retry * MICRO)
        assert Key(key.rule, key.state).take(again, cost).passed
        assert not Key(key.rule, key.state).take(again - 1, cost).passed
    assert refused


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_when_it_is_reset_all_of_the_limit_is_there(algorithm: Algorithm) -> None:
    key = Key(rule(algorithm, 10, 60))
    for moment in range(NOON, NOON + 70 * MICRO, 9 * MICRO):
        usage = key.take(moment)
        later = Key(key.rule, key.state).take(moment + ceil(usage.reset * MICRO), 10)
        assert later.passed
        assert later.remaining == 0


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_left_is_what_passes(algorithm: Algorithm) -> None:
    key = Key(rule(algorithm, 10, 60))
    for moment in range(NOON, NOON + 200 * MICRO, 7 * MICRO):
        left = key.take(moment).remaining
        passed = [Key(key.rule, key.state).take(moment, more).passed for more in (left, left + 1)]
        assert passed == [True, False]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_state_that_no_longer_lasts_is_that_of_a_key_that_never_came(algorithm: Algorithm) -> None:
    key = Key(rule(algorithm, 10, 60))
    for moment in range(NOON, NOON + 100 * MICRO, 13 * MICRO):
        key.take(moment, 3)
        end = key.rule.lasts(key.state)
        assert key.rule.advance(key.state, end) == key.rule.advance((0, 0, 0), end)
        assert key.rule.advance(key.state, end - 1) != key.rule.advance((0, 0, 0), end - 1)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_owed_is_counted_beyond_the_limit_and_keeps_others_out(algorithm: Algorithm) -> None:
    key = Key(rule(algorithm, 10, 60))
    key.owe(NOON, 25)
    usage = key.take(NOON)
    assert (usage.passed, usage.remaining) == (False, 0)
    key.owe(NOON, 10**18)
    assert max(key.state) <= MOST


def test_nobody_waits_for_more_than_a_hundred_bursts() -> None:
    key = Key(rule("gcra", 10, 60))
    key.owe(NOON, 10**12)
    assert 5_900 < key.take(NOON).retry <= 6_000


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_clock_that_goes_back_a_little_lets_nothing_through_twice(algorithm: Algorithm) -> None:
    key = Key(rule(algorithm, 5, 60))
    assert [key.take(NOON + 30 * MICRO).passed for _ in range(6)] == [True] * 5 + [False]
    assert not key.take(NOON).passed
    assert not key.take(NOON + 29 * MICRO).passed


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_clock_that_goes_back_a_year_locks_nobody_out(algorithm: Algorithm) -> None:
    key = Key(rule(algorithm, 5, 60))
    key.take(NOON + 366 * 86_400 * MICRO)
    for _ in range(10):
        key.take(NOON)
    assert key.take(NOON + 60 * MICRO).retry <= 60


@pytest.mark.parametrize(
    ("limit", "window", "burst"), [(999_983, 86_400, None), (10**12, 366 * 86_400, None), (7, 3, 10**9)]
)
def test_a_rate_that_needs_larger_numbers_is_as_close_as_they_come(
    limit: int, window: int, burst: int | None
) -> None:
    gcra = Gcra(limit, window, burst)
    capacity, drain, unit = gcra.numbers
    assert abs(Fraction(drain, unit) / Fraction(limit, window * MICRO) - 1) < Fraction(1, 10**5)
    assert capacity == unit * (burst or limit) < 2**52


def test_a_burst_that_no_number_can_tell_is_refused() -> None:
    with pytest.raises(ValueError, match="too large for so slow a rate"):
        Gcra(1, 366 * 86_400, 10**12)


def test_gcra_tells_its_burst_and_how_long_it_takes_to_come_back() -> None:
    gcra = Gcra(10, 60, 100)
    assert (gcra.quota, gcra.span) == (100, 600)


def test_rules_whose_states_mean_different_things_have_different_names() -> None:
    rules = [rule(algorithm, 10, window) for algorithm in ALGORITHMS for window in (60, 61)]
    assert len({one.name for one in rules}) == len(rules)
    assert rule("fixed-window", 10, 60).name == rule("fixed-window", 20, 60).name


def test_twice_the_limit_in_a_moment_is_what_only_fixed_windows_let_through() -> None:
    edge = NOON + 20 * MICRO
    passed = {
        algorithm: sum(key.take(moment).passed for moment in range(edge - 100, edge + 100))
        for algorithm in ALGORITHMS
        for key in [Key(rule(algorithm, 60, 60))]
    }
    assert passed == {"fixed-window": 120, "sliding-window": 60, "gcra": 60}
