"""The rows of a table, measured in turn and round by round, so that a slow minute hits all of them."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

Figures = dict[str, float]
"""What one round has measured, by name."""


@dataclass
class Row:
    """One line of a table: `measure` takes how many seconds it may last."""

    name: str
    measure: Callable[[float], Figures]
    rounds: list[Figures] = field(default_factory=list[Figures])


@dataclass(frozen=True)
class Effort:
    """How long a table is measured."""

    rounds: int
    seconds: float
    quick: bool = False


def interleaved(rows: Sequence[Row], effort: Effort) -> dict[str, Any]:
    """Measures each row once in every round, after one round that nobody counts; gives the raw figures."""
    before, began = os.getloadavg()[0], time.monotonic()
    for row in rows:
        row.measure(min(effort.seconds, 1.0))
    for number in range(effort.rounds):
        # Forth and back: what follows upon what is not always the same.
        for row in rows if number % 2 else reversed(rows):
            row.rounds.append(row.measure(effort.seconds))
    return {
        "rows": {row.name: _by_figure(row.rounds) for row in rows},
        "load": [round(one, 2) for one in (before, os.getloadavg()[0])],
        "took": round(time.monotonic() - began, 1),
        "rounds": effort.rounds,
        "seconds": effort.seconds,
    }


def _by_figure(rounds: list[Figures]) -> dict[str, list[float]]:
    return {name: [float(f"{one[name]:.6g}") for one in rounds] for name in rounds[0]}


def counted(number: int, what: str) -> str:
    """`1,000 routes`, and `1 route`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """The median of the ratios round by round."""
    return median(one / other for one, other in zip(values, base, strict=True))
