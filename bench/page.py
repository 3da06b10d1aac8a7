"""Writes docs/performance.md and its plots from raw figures."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import fill
from typing import Any

from judging import bars_of
from section import Section
from sections import SECTIONS

WIDTH = 118
HEAD = "# Performance\n\nWritten by `make bench`: do not edit.\n"
METHOD = (
    (
        "All rows of a table are measured in one run on one machine, in turn and round by round, forth and back, "
        "after one round that is not counted. Ratios come first: they are taken round by round, and the median "
        "counts. Other figures are medians; in brackets the smallest and the largest of the rounds. The raw "
        "figures of all rounds are in [figures.json](performance/figures.json)."
    ),
    (
        "CPU is the processor time of a process in all its threads, which the kernel counts in nanoseconds "
        "(clock_getcpuclockid(3)), divided by the number of requests that were answered. It holds what a process "
        "does anyway, such as health checks and heartbeats, which shows where requests are few."
    ),
)
SHARED = (
    "Generator, Envoy, upstream and workers share these cores: requests a second say how much work there is "
    "in all, and CPU a request says whose it is. Another machine has other figures; the ratios are what to "
    "compare."
)


def write(figures: Mapping[str, Any], folder: Path) -> Path:
    """Writes the page `performance.md` and what belongs to it in `folder/performance`."""
    page = folder / "performance.md"
    for section in SECTIONS:
        for name, svg in section.plots(figures["tables"]).items():
            (folder / "performance" / f"{name}.svg").write_text(svg)
    page.write_text("\n".join(_page(figures)))
    return page


def _page(figures: Mapping[str, Any]) -> Iterator[str]:
    yield HEAD
    yield from map(_wrapped, METHOD)
    yield from _where(figures)
    yield from _bars(figures["tables"])
    for section in SECTIONS:
        yield from _section(section, figures["tables"])


def _where(figures: Mapping[str, Any]) -> Iterator[str]:
    yield "## The machine\n"
    for kind in ("machine", "versions"):
        yield _wrapped(", ".join(f"{name} {value}" for name, value in figures.get(kind, {}).items()) + ".")
    yield _wrapped(SHARED)


def _bars(tables: Mapping[str, Any]) -> Iterator[str]:
    yield "## Bars\n"
    yield "| asked | bar | found | |\n|---|---|---|---|"
    bars = bars_of(tables)
    yield from map(str, bars)
    missed = dict.fromkeys(bar.why for bar in bars if not bar.holds and bar.why)
    yield "\nWhy those that are missed are, and what to try next:\n" if missed else ""
    for why in missed:
        yield _wrapped(f"- {'; '.join(bar.asked for bar in bars if bar.why == why and not bar.holds)}. {why}")


def _section(section: Section, tables: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {section.title}\n"
    yield _wrapped(section.text)
    for name in section.tables:
        found = tables.get(name, {"missing": "Not measured."})
        if "missing" in found:
            yield f"{found['missing']}\n"
            continue
        for plot in section.plots({name: found}):
            yield f"![{section.title}](performance/{plot}.svg)\n"
        yield from (f"{one}\n" for one in section.written(name, found["rows"]))
        yield _run(found)


def _run(found: Mapping[str, Any]) -> str:
    before, after = found["load"]
    return (
        f"*{found['date']}, commit {found['commit']}, {found['rounds']} rounds of {found['seconds']:g} s a row, "
        f"load average {before} before and {after} after.*\n"
    )


def _wrapped(text: str) -> str:
    return fill(text, WIDTH, break_long_words=False, break_on_hyphens=False) + "\n"
