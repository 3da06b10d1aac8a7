"""What chains want of an Envoy, together."""

from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.json_format import MessageToDict

from outrider.chain import Chain
from outrider.needs import Hook
from outrider_envoy.modes import processing_mode

_MOST = ("SEND", "BUFFERED")
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """The routes of chains that have plugins, and all that any of these needs. Empty where no plugin runs."""

    routes: tuple[str, ...]
    hooks: frozenset[Hook]
    reply_headers: frozenset[str]
    modes: dict[str, str]
    """By the fields of Envoy's ProcessingMode. A whole body serves those, too, that want it piece by piece."""

    @classmethod
    def by(cls, chains: Iterable[Chain]) -> "Wanted":
        chains = [chain for chain in chains if chain.slots]
        modes: dict[str, str] = {}
        for chain in chains:
            needed: dict[str, str] = MessageToDict(processing_mode(chain), preserving_proto_field_name=True)
            modes |= {field: mode for field, mode in needed.items() if mode in _MOST or field not in modes}
        hooks = frozenset[Hook]().union(*(chain.hooks for chain in chains))
        replies = frozenset[str]().union(*(chain.reply_headers for chain in chains))
        return cls(tuple(chain.route.name for chain in chains), hooks, replies, modes)

    def __str__(self) -> str:
        """As in `the route orders`, and no more than some of them."""
        more = " and others" if len(self.routes) > _SHOWN else ""
        noun = "route" if len(self.routes) == 1 else "routes"
        return f"the {noun} {', '.join(self.routes[:_SHOWN])}{more}"
