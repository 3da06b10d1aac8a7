"""Fixed windows: so much from one whole multiple of the window to the next."""

from outrider_plugins.counting.rule import MICRO, Rule, State, Usage, bounded


class FixedWindow(Rule):
    """`limit` in each window of so many seconds, which begin at whole multiples of it since the Unix epoch.

    Its state: the end of the window, and the count in it. A clock that goes back by less than a window keeps the
    window; one that goes back further begins anew.
    """

    kind = "fixed"

    def __init__(self, limit: int, window: int) -> None:
        self.quota = limit
        self.span = window
        self._length = window * MICRO
        self.numbers = (limit, self._length, 0)
        self.name = b"fixed %d " % self._length

    def advance(self, state: State, moment: int) -> State:
        length = self._length
        if moment < state[0] <= moment + 2 * length:
            return state
        return moment - moment % length + length, 0, 0

    def fits(self, state: State, moment: int, cost: int) -> bool:
        return state[1] + cost <= self.quota

    def charge(self, state: State, cost: int) -> State:
        return state[0], bounded(state[1] + cost), 0

    def lasts(self, state: State) -> int:
        return state[0]

    def usage(self, state: State, moment: int, cost: int, passed: bool) -> Usage:
        left = self.quota - state[1]
        reset = (state[0] - moment) / MICRO
        passed = passed or cost <= left
        left = left if left > 0 else 0  # noqa: FURB136 - max() takes six times as long
        return Usage(passed, left, reset, 0.0 if passed else reset)
