"""What it takes to look at a request or to change it: the hooks of one plugin, with nothing around them."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from inside import inside
from measuring import Effort, Row, interleaved
from shaped import SHAPES

BOUNDS = {
    "request-transform, five operations on headers": 10,
    "request-transform, three operations on 10 KB of JSON": 150,
    "policy, five terms": 10,
    "tracing, not sampled, a new trace": 5,
    "tracing, not sampled, downstream's trace": 5,
}
"""How many microseconds a request may take."""


@dataclass(frozen=True)
class Shape:
    """One of `SHAPES`, for a process of its own."""

    name: str


def measure(effort: Effort) -> dict[str, Any]:
    with ExitStack() as stack:
        return interleaved([_row(stack, name) for name in SHAPES], effort)


def _row(stack: ExitStack, name: str) -> Row:
    return Row(name, stack.enter_context(inside(Shape(name), "shaping.py")).measure)
