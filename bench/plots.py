"""Small plots in SVG: bars side by side or on top of each other, lines over growing sizes, curves over time."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

WIDTH, LEFT, RIGHT, TOP, LINE = 760, 250, 90, 56, 26
PLOT = WIDTH - LEFT - RIGHT
COLOURS = ("#2f6f9f", "#d98b2b", "#5a9367", "#a35a8f", "#7a7a7a")
HEIGHT = 240
"""Of the area that lines are drawn in."""

Bars = Mapping[str, Sequence[float]]
"""For each bar its segments."""
Curves = Mapping[str, Sequence[tuple[float, float]]]
"""For each curve its points."""
Lines = Mapping[str, Mapping[str, float]]
"""For each line a value for each size."""


def bars(title: str, unit: str, rows: Bars, legend: Sequence[str] = ()) -> str:
    """A horizontal bar for each row, of one segment or several, with its sum."""
    longest = max(map(sum, rows.values()), default=0.0) or 1.0
    drawn = [part for place, row in enumerate(rows.items()) for part in _bar(place, row, longest)]
    return _svg(title, unit, TOP + LINE * len(rows) + 12, [*_legend(legend), *drawn])


def lines(title: str, unit: str, rows: Lines) -> str:
    """A line for each row, over sizes that stand at equal distances; the scale begins at nothing."""
    highest = max((value for row in rows.values() for value in row.values()), default=0.0) or 1.0
    sizes = list(dict.fromkeys(size for row in rows.values() for size in row))
    drawn = [part for place, row in enumerate(rows.values()) for part in _line(place, row, sizes, highest)]
    axis = [_text(_across(place, sizes), TOP + HEIGHT + 20, size, "middle") for place, size in enumerate(sizes)]
    frame = f'<path d="M{LEFT} {TOP}V{TOP + HEIGHT}H{WIDTH - RIGHT}" fill="none" stroke="#999"/>'
    scale = [_text(LEFT - 8, TOP + 8, f"{highest:,.3g}", "end"), _text(LEFT - 8, TOP + HEIGHT, "0", "end")]
    return _svg(title, unit, TOP + HEIGHT + 36, [frame, *scale, *axis, *_legend(list(rows)), *drawn])


def curves(title: str, unit: str, rows: Curves, ticks: Sequence[float], across: str) -> str:
    """A curve for each row; the scales begin at nothing. `ticks` stand below, and `across` says what of."""
    highest = max(y for row in rows.values() for _, y in row)
    end = ticks[-1]

    def at(x: float, y: float) -> str:
        return f"{LEFT / 2 + x / end * (WIDTH - LEFT / 2 - RIGHT):.1f},{TOP + HEIGHT * (1 - y / highest):.1f}"

    drawn = [
        f'<polyline points="{" ".join(at(x, y) for x, y in row)}" fill="none" stroke="{_colour(place)}" '
        'stroke-width="2"/>'
        for place, row in enumerate(rows.values())
    ]
    axis = [_text(float(at(x, 0).partition(",")[0]), TOP + HEIGHT + 20, f"{x:g}", "middle") for x in ticks]
    frame = f'<path d="M{at(0, highest)}L{at(0, 0)}L{at(end, 0)}" fill="none" stroke="#999"/>'
    scale = [_text(LEFT / 2 - 8, TOP + 8, f"{highest:,.3g}", "end"), _text(LEFT / 2 - 8, TOP + HEIGHT, "0", "end")]
    named = _text(WIDTH - RIGHT + 12, TOP + HEIGHT + 20, across, "start")
    return _svg(title, unit, TOP + HEIGHT + 36, [frame, *scale, *axis, named, *_legend(list(rows)), *drawn])


def _bar(place: int, row: tuple[str, Sequence[float]], longest: float) -> Iterator[str]:
    name, segments = row
    y, x = TOP + LINE * place, float(LEFT)
    yield _text(LEFT - 8, y + 15, name, "end")
    for number, value in enumerate(segments):
        width = value / longest * PLOT
        yield f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="20" fill="{_colour(number)}"/>'
        x += width
    yield _text(x + 6, y + 15, f"{sum(segments):,.0f}", "start")


def _line(place: int, row: Mapping[str, float], sizes: list[str], highest: float) -> Iterator[str]:
    points = [
        (_across(sizes.index(size), sizes), TOP + HEIGHT * (1 - value / highest)) for size, value in row.items()
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f'<polyline points="{path}" fill="none" stroke="{_colour(place)}" stroke-width="2"/>'
    for x, y in points:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{_colour(place)}"/>'


def _across(place: int, sizes: list[str]) -> float:
    return LEFT + 30 + place * (PLOT - 60) / max(1, len(sizes) - 1)


def _legend(names: Sequence[str]) -> Iterator[str]:
    for place, name in enumerate(names):
        x = LEFT + place * 130
        yield f'<rect x="{x}" y="{TOP - 22}" width="10" height="10" fill="{_colour(place)}"/>'
        yield _text(x + 14, TOP - 13, name, "start")


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(title: str, unit: str, height: int, parts: Sequence[str]) -> str:
    head = f'<text x="12" y="20" font-weight="bold">{escape(title)}</text>'
    said = _text(WIDTH - 12, 20, unit, "end")
    style = 'font-family="sans-serif" font-size="12" fill="#222"'
    # Its own ground: readers have light and dark pages.
    ground = f'<rect width="{WIDTH}" height="{height}" fill="#fff" rx="6"/>'
    opened = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" {style}>'
    return "\n".join([opened, ground, head, said, *parts, "</svg>", ""])
