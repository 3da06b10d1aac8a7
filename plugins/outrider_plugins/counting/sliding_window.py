"""Sliding windows: the last so many seconds, where the window before counts by how much of it they still cover."""

from math import ceil

from outrider_plugins.counting.rule import MICRO, Rule, State, Usage, bounded


class SlidingWindow(Rule):
    """`limit` in the last so many seconds, by the counts of two windows: this one and the one before.

    `ceil(before * left / window) + count` may not exceed `limit`, where `left` is what is left of this window. So the
    requests of the window before are taken as if they had come evenly, for two numbers a key in place of a log of all
    requests; if they came late in it, more than the limit passes in some stretch of a window's length, nearly twice
    as much. Its state: the end of the window, the count in it, and the count before it. A clock that goes back acts
    as in fixed windows.
    """

    kind = "sliding"

    def __init__(self, limit: int, window: int) -> None:
        self.quota = limit
        self.span = window
        self._length = window * MICRO
        self.numbers = (limit, self._length, 0)
        self.name = b"sliding %d " % self._length

    def advance(self, state: State, moment: int) -> State:
        length, end = self._length, state[0]
        if moment < end <= moment + 2 * length:
            return state
        new = moment - moment % length + length
        return new, 0, state[1] if end + length == new else 0

    def fits(self, state: State, moment: int, cost: int) -> bool:
        return self._used(state, moment) + cost <= self.quota

    def charge(self, state: State, cost: int) -> State:
        return state[0], bounded(state[1] + cost), state[2]

    def lasts(self, state: State) -> int:
        return state[0] + self._length

    def usage(self, state: State, moment: int, cost: int, passed: bool) -> Usage:
        used = self._used(state, moment)
        end, count, before = state
        reset = end - moment + self._length if count else (end - moment if before else 0)
        passed = passed or used + cost <= self.quota
        retry = 0 if passed else self._retry(state, moment, cost)
        return Usage(passed, max(0, self.quota - used), reset / MICRO, retry / MICRO)

    def _used(self, state: State, moment: int) -> int:
        end, count, before = state
        # In floating point, as Redis reckons: a request is judged alike over every storage.
        return ceil(float(before) * (end - moment) / self._length) + count if before else count

    def _retry(self, state: State, moment: int, cost: int) -> int:
        """After how long a refused request would find room, if nothing else comes."""
        end, count, before = state
        free, left = self.quota - cost, end - moment
        if free >= count and before:
            return max(1, left - (free - count) * self._length // before)
        # Only in the next window, where this one is the one before.
        return left + self._length - min(self._length, max(free, 0) * self._length // max(count, 1))
