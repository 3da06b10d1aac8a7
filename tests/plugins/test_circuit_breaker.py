"""When a server that fails is asked again."""

from outrider_plugins.circuit_breaker import CircuitBreaker


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def broken(clock: Clock) -> CircuitBreaker:
    breaker = CircuitBreaker(3, 10, clock)
    for _ in range(3):
        assert breaker.allows()
        breaker.failed()
    return breaker


def test_so_many_failures_in_a_row_spare_the_server() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now = 9.999
    assert not breaker.allows()


def test_a_success_in_between_begins_the_count_anew() -> None:
    breaker = CircuitBreaker(2, 10, Clock())
    for _ in range(10):
        breaker.failed()
        assert breaker.allows()
        breaker.succeeded()


def test_then_one_try_in_each_pause_is_allowed() -> None:
    clock = Clock()
    breaker = broken(clock)
    for now in (10.0, 20.0):
        clock.now = now
        assert [breaker.allows() for _ in range(3)] == [True, False, False]


def test_a_failed_try_is_followed_by_another_pause_and_a_good_one_ends_it() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now = 10.0
    assert breaker.allows()
    clock.now = 12.0
    breaker.failed()
    clock.now = 21.9
    assert not breaker.allows()
    clock.now = 22.0
    assert breaker.allows()
    breaker.succeeded()
    assert [breaker.allows() for _ in range(3)] == [True] * 3
