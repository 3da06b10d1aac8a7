"""A route's plugins in order, compiled once."""

from collections.abc import Callable, Iterable, Sequence
from itertools import product

from outrider.consumer import Consumer
from outrider.exchange import Exchange
from outrider.needs import Fact, Hook
from outrider.request import Request, Route
from outrider.step import Step

Resolve = Callable[[Consumer | None], Step | None]


class Slot:
    """The place of one plugin name in a chain: one step, or one of several that the consumer decides between."""

    __slots__ = ("fixed", "resolve", "steps")

    def __init__(self, steps: Sequence[Step], resolve: Resolve | None = None) -> None:
        self.steps = tuple(steps)
        self.fixed = None if resolve else self.steps[0]
        self.resolve: Resolve = resolve or (lambda _: self.fixed)


class Chain:
    """What runs for the requests of one route, by falling priority.

    Everything a gateway must know in advance is the union over all instances that could run: `hooks`, `facts`,
    `reply_headers`. `budget` is how many seconds the hooks of one message may take in all.
    """

    def __init__(self, route: Route, slots: Iterable[Slot] = (), identity_headers: Iterable[str] = ()) -> None:
        self.route = route
        self.slots = tuple(sorted(slots, key=lambda slot: -slot.steps[0].plugin.priority))
        steps = [step for slot in self.slots for step in slot.steps]
        needs = [step.plugin.needs() for step in steps]
        self.plugins = tuple((step.name, step.plugin) for step in steps)
        self.hooks: frozenset[Hook] = frozenset(hook for step in steps for hook in step.plugin.hooks())
        self.facts: frozenset[Fact] = frozenset(fact for need in needs for fact in need.facts)
        self.reply_headers = frozenset(name.lower() for need in needs for name in need.reply_headers)
        self.identity_headers = frozenset(spelling for name in identity_headers for spelling in spellings(name))
        self.budget = sum(step.seconds for step in steps)

    def begin(self, request: Request) -> Exchange:
        """One request's way through the chain. What downstream said under identity headers is taken off first."""
        request.route = self.route
        request.headers.strip(self.identity_headers)
        request.declare_reply_headers(self.reply_headers)
        return Exchange(self.slots, request, self.budget)


def spellings(name: str) -> Iterable[str]:
    """A header name with each `-` also as `_`: many servers read both as one name."""
    parts = name.lower().split("-")
    for joints in product("-_", repeat=len(parts) - 1):
        yield parts[0] + "".join(joint + part for joint, part in zip(joints, parts[1:], strict=True))
