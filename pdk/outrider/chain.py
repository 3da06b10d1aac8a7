"""A route's plugins in order, compiled once."""

import math
from collections.abc import Iterable

from outrider.auth import Auth
from outrider.carried import Carried
from outrider.exchange import Exchange
from outrider.handover import State, request_of, state_of
from outrider.needs import BODY_HOOKS, PEER, RESPONSE_HOOKS, Fact, Hook, Rewrite
from outrider.progress import Progress
from outrider.received import Route
from outrider.request import Request
from outrider.slot import Slot


class Chain:
    """What runs for the requests of one route, by falling priority.

    Everything a gateway must know in advance is the union over all instances that could run: `hooks`, `facts`,
    `resizes`, `rewrites`, `reply_headers`. `budget` is how many seconds the hooks of one message may take in all;
    hooks that take more than `slow` seconds are told of.
    """

    def __init__(self, route: Route, slots: Iterable[Slot] = (), identity_headers: Iterable[str] = ()) -> None:
        self.route = route
        self.slots = tuple(sorted(slots, key=lambda slot: -slot.steps[0].plugin.priority))
        steps = [step for slot in self.slots for step in slot.steps]
        self.steps = {step.key: step for step in steps}
        needs = [step.plugin.needs() for step in steps]
        self.hooks: frozenset[Hook] = frozenset(hook for step in steps for hook in step.plugin.hooks())
        self.reads_bodies = bool(self.hooks & BODY_HOOKS)
        self.needs_response = bool(self.hooks & RESPONSE_HOOKS)
        self.resizes: frozenset[Hook] = frozenset(hook for need in needs for hook in need.resizes)
        self.rewrites: frozenset[Rewrite] = frozenset(one for need in needs for one in need.rewrites)
        self.facts: frozenset[Fact] = frozenset(fact for need in needs for fact in need.facts)
        self._tells_peer = PEER in self.facts
        self.reply_headers = frozenset(name.lower() for need in needs for name in need.reply_headers)
        self.identity_headers = frozenset(name.lower().replace("_", "-") for name in identity_headers)
        self._auths = sum(isinstance(slot.steps[0].plugin, Auth) for slot in self.slots)
        self.slow = min((need.slow_hooks for need in needs if need.slow_hooks is not None), default=math.inf)
        self.budget = sum(step.seconds for step in steps)

    def begin(self, request: Request, *, but: Iterable[str] = ()) -> Exchange:
        """One request's way through the chain. What downstream said under identity headers is taken off first.

        `but` those names stay: another chain has set them.
        """
        request.route = self.route
        request.headers.strip(self.identity_headers.difference(but) if but else self.identity_headers)
        request.declare_reply_headers(self.reply_headers)
        request.declare_rewrites(self.rewrites)
        request.tells_peer = self._tells_peer
        request.carried = Carried() if self._auths > 1 else None
        request.challenges = ()
        return Exchange(self.slots, request, self.budget, slow=self.slow)

    def hand_over(self, exchange: Exchange) -> State:
        """For gateways that send the next phase to any process: all that `take_over` needs, as plain JSON."""
        return {"request": state_of(exchange.request), "progress": exchange.progress.to_json()}

    def lacks(self, state: State) -> bool:
        """Whether a plugin that let the request on is not in the chain any more, or at another place."""
        return not self.steps.keys() >= set(state["progress"]["passed"])

    def take_over(self, state: State) -> Exchange:
        """The exchange that `hand_over` told of, after its request phase."""
        request = request_of(state["request"], self.reply_headers)
        request.route = self.route
        progress = Progress.from_json(state["progress"], self.steps)
        return Exchange(self.slots, request, self.budget, progress, slow=self.slow)
