"""Draws what each algorithm lets through over time, with the counters that requests meet: for docs/rate-limits.md."""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from outrider_plugins.counting.algorithm import rule
from outrider_plugins.counting.rule import Charge, Rule
from outrider_plugins.counting.shared_memory import SharedCounters
from plots import curves

LIMIT, WINDOW = 60, 60
END = 240
BEGIN = 1_700_000_040 + 40  # 20 seconds before a full minute
RULES: Mapping[str, Rule] = {
    "fixed-window": rule("fixed-window", LIMIT, WINDOW),
    "sliding-window": rule("sliding-window", LIMIT, WINDOW),
    "gcra": rule("gcra", LIMIT, WINDOW),
    "gcra, burst 10": rule("gcra", LIMIT, WINDOW, 10),
}


def main(folder: Path) -> None:
    """Writes the plots into a folder."""
    steady = [second / 5 for second in range(5 * END)]
    passed = {name: let_through(one, steady) for name, one in RULES.items()}
    ticks = range(0, END + 1, 20)
    limit = f"limit {LIMIT} in {WINDOW} s, five requests a second"
    together = {name: _sums(times) for name, times in passed.items()}
    (folder / "together.svg").write_text(curves("Let through together", limit, together, ticks, "seconds"))
    lately = {name: _lately(times) for name, times in passed.items()}
    (folder / "lately.svg").write_text(curves("Let through in the last 60 s", limit, lately, ticks, "seconds"))


def let_through(one: Rule, times: Sequence[float]) -> list[float]:
    """When requests pass that come at these times, in seconds."""
    now = [0.0]
    with tempfile.TemporaryDirectory() as folder:
        counters = SharedCounters(Path(folder) / "counters", slots=64, clock=lambda: BEGIN + now[0])
        passed: list[float] = []
        for now[0] in times:
            usages = counters.try_take([Charge(one, b"key")])
            passed += [now[0]] if usages and usages[0].passed else []
    return passed


def _sums(times: Sequence[float]) -> list[tuple[float, float]]:
    return [(second, sum(time <= second for time in times)) for second in range(END + 1)]


def _lately(times: Sequence[float]) -> Sequence[tuple[float, float]]:
    return [(second, sum(second - WINDOW < time <= second for time in times)) for second in range(END + 1)]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
