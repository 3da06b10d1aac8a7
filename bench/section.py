"""One section of the page: its text, the tables that belong to it, and their plots."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plots import bars, lines
from tables import Column, Measured, middle, table

Plot = Callable[[Measured], str]


@dataclass(frozen=True)
class Section:
    """One or several measured tables under one heading; `columns` are the tables that each is shown in."""

    title: str
    text: str
    columns: Mapping[str, Sequence[Sequence[Column]]]
    drawn: Mapping[str, Plot]

    @property
    def tables(self) -> list[str]:
        return list(self.columns)

    def written(self, name: str, rows: Measured) -> Iterator[str]:
        """The tables in Markdown."""
        for columns in self.columns[name]:
            yield table(rows, columns)

    def plots(self, tables: Mapping[str, Any]) -> dict[str, str]:
        """Each plot whose table was measured, by the table's name."""
        measured = {name: tables[name]["rows"] for name in self.drawn if "rows" in tables.get(name, {})}
        return {name: self.drawn[name](rows) for name, rows in measured.items()}


def split(title: str, server: str, envoy: str) -> Plot:
    """CPU of server and Envoy on top of each other."""

    def plot(rows: Measured) -> str:
        parts = {name: (middle(rows, name, server) or 0.0, middle(rows, name, envoy) or 0.0) for name in rows}
        return bars(title, "microseconds", parts, ("server", "Envoy"))

    return plot


def single(title: str, unit: str, figure: str, scale: float = 1.0) -> Plot:
    return lambda rows: bars(title, unit, {name: ((middle(rows, name, figure) or 0.0) / scale,) for name in rows})


def grown(title: str, unit: str, figures: Mapping[str, str], scale: float = 1.0) -> Plot:
    """A line for each figure over the sizes, which the names of the rows begin with."""

    def plot(rows: Measured) -> str:
        found = {
            label: {name.split()[0]: (middle(rows, name, figure) or 0.0) / scale for name in rows}
            for label, figure in figures.items()
        }
        return lines(title, unit, found)

    return plot


def by_kind(title: str, unit: str, figure: str, scale: float = 1.0) -> Plot:
    """A line for each transport, which the names of the rows end with."""

    def plot(rows: Measured) -> str:
        kinds = dict.fromkeys(name.rpartition(", ")[2] for name in rows)
        found = {
            kind: {
                name.rpartition(", ")[0]: (middle(rows, name, figure) or 0.0) / scale
                for name in rows
                if name.endswith(kind)
            }
            for kind in kinds
        }
        return lines(title, unit, found)

    return plot


def cpu(heading: str, figure: str, *, spread: bool = False) -> Column:
    return Column(heading, figure, digits=0, spread=spread)


def megabytes(heading: str, figure: str) -> Column:
    return Column(heading, figure, scale=1e6)
