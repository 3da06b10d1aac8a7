"""The algorithms by the names that a configuration has for them."""

from outrider.counting import Algorithm
from outrider_plugins.counting.fixed_window import FixedWindow
from outrider_plugins.counting.gcra import Gcra
from outrider_plugins.counting.rule import Rule
from outrider_plugins.counting.sliding_window import SlidingWindow


def rule(algorithm: Algorithm, limit: int, window: int, burst: int | None = None) -> Rule:
    """The limit under that algorithm. Raises `ValueError` for a burst that the algorithm can't have."""
    if algorithm == "gcra":
        return Gcra(limit, window, burst)
    if burst is not None:
        raise ValueError(f"burst belongs to the algorithm gcra, not to {algorithm}: remove it")
    return FixedWindow(limit, window) if algorithm == "fixed-window" else SlidingWindow(limit, window)
