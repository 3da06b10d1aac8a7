"""Raw figures as tables of Markdown."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from measuring import ratio

Measured = Mapping[str, Mapping[str, Sequence[float]]]
"""For each row the values of each figure, round by round."""


@dataclass(frozen=True)
class Column:
    """One figure in every row: its median, and with `spread` its smallest and largest value.

    With `base` it is the ratio to that row, taken round by round.
    """

    heading: str
    figure: str
    base: str = ""
    scale: float = 1.0
    digits: int = 0
    spread: bool = False

    def cell(self, rows: Measured, row: str) -> str:
        values = rows[row].get(self.figure, ())
        if self.base:
            return _ratio(values, rows.get(self.base, {}).get(self.figure, ()))
        if not values or not any(values):
            return ""
        low, middle, high = (
            f"{one / self.scale:,.{self.digits}f}" for one in (min(values), median(values), max(values))
        )
        return f"{middle} ({low} to {high})" if self.spread else middle


def table(rows: Measured, columns: Sequence[Column], named: Callable[[str], bool] = lambda _: True) -> str:
    """The rows whose names are wanted."""
    return "\n".join(_lines(rows, columns, [row for row in rows if named(row)]))


def middle(rows: Measured, row: str, figure: str) -> float | None:
    """The median of a figure; None if there is no such row."""
    values = rows.get(row, {}).get(figure, ())
    return median(values) if values else None


def _lines(rows: Measured, columns: Sequence[Column], names: Sequence[str]) -> Iterator[str]:
    yield "| | " + " | ".join(column.heading for column in columns) + " |"
    yield "|---|" + "---|" * len(columns)
    for name in names:
        yield f"| {name} | " + " | ".join(column.cell(rows, name) for column in columns) + " |"


def _ratio(values: Sequence[float], base: Sequence[float]) -> str:
    if not values or len(values) != len(base) or not all(base) or not any(values):
        return ""
    return f"**{ratio(values, base):.2f}**"
