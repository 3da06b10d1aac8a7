"""The place of one plugin name in a chain."""

from collections.abc import Callable, Sequence

from outrider.consumer import Consumer
from outrider.step import Step

Resolve = Callable[[Consumer | None], Step | None]


class Slot:
    """One step, or one of several that the consumer decides between."""

    __slots__ = ("fixed", "resolve", "steps")

    def __init__(self, steps: Sequence[Step], resolve: Resolve | None = None) -> None:
        self.steps = tuple(steps)
        self.fixed = None if resolve else self.steps[0]
        self.resolve: Resolve = resolve or (lambda _: self.fixed)
