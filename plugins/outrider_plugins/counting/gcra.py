"""GCRA: an even rate, with a burst on top of it (ITU-T I.371, as a leaky bucket that is a meter)."""

from fractions import Fraction

from outrider_plugins.counting.rule import MICRO, MOST, Rule, State, Usage

_BURSTS = 100  # so many are owed at most: nobody waits longer than for them
_CLOSE = Fraction(1, 100_000)


class Gcra(Rule):
    """A bucket that holds `burst` and empties by `limit` in so many seconds; what would overflow it is refused.

    It is reckoned in whole drops: one request fills in `unit` of them, and `drain` run out in a microsecond, with
    `drain / unit` the exact rate wherever it can be told in numbers below 2^52, else the nearest rate that can. Its
    state: a moment, and the drops in the bucket then. A clock that goes back by less than a full bucket takes to
    empty stands still until it has caught up; one that goes back further begins anew. Raises `ValueError` where the
    burst is too large for so slow a rate: no number here could tell the difference.
    """

    kind = "gcra"

    def __init__(self, limit: int, window: int, burst: int | None = None) -> None:
        self.quota = limit if burst is None else burst
        exact = Fraction(limit, window * MICRO)
        rate = exact.limit_denominator(max(1, (MOST >> 1) // self.quota))
        if abs(rate - exact) > exact * _CLOSE:
            slow = f"so slow a rate ({limit} in {window} seconds)"
            fits = (MOST >> 1) // exact.denominator
            raise ValueError(f"a burst of {self.quota} is too large for {slow}: lower burst to {fits}")
        self._drain, self._unit = rate.numerator, rate.denominator
        self._capacity = self.quota * self._unit
        self._most = min(MOST, _BURSTS * self._capacity)
        self._refill = -(-self._capacity // self._drain)
        self.span = max(1, -(-self._refill // MICRO))
        self.numbers = (self._capacity, self._drain, self._unit)
        self.name = b"gcra %d/%d " % (self._drain, self._unit)

    def advance(self, state: State, moment: int) -> State:
        since, drops, _ = state
        elapsed = moment - since
        if elapsed < 0:
            return state if -elapsed <= self._refill else (moment, 0, 0)
        # Compared by time: the product could be larger than a double tells exactly.
        return moment, 0 if elapsed >= drops / self._drain else drops - elapsed * self._drain, 0

    def fits(self, state: State, moment: int, cost: int) -> bool:
        return state[1] + cost * self._unit <= self._capacity

    def charge(self, state: State, cost: int) -> State:
        drops, most = state[1] + cost * self._unit, self._most
        return state[0], drops if drops < most else most, 0  # noqa: FURB136 - min() takes six times as long

    def lasts(self, state: State) -> int:
        return state[0] - -state[1] // self._drain

    def usage(self, state: State, moment: int, cost: int, passed: bool) -> Usage:
        since, drops, _ = state
        ahead = since - moment  # more than nothing only where the clock went back
        over = 0 if passed else drops + cost * self._unit - self._capacity
        retry = (ahead - -over // self._drain) / MICRO if over > 0 else 0.0
        remaining = max(0, self._capacity - drops) // self._unit
        return Usage(passed or over <= 0, remaining, (ahead + drops / self._drain) / MICRO, retry)
