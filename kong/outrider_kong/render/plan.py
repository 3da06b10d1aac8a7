"""All that Kong's configuration is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from outrider.chain import Chain
from outrider.config import Configuration, Target
from outrider_kong.names import CHAINS, chain_for

Section = dict[str, Any]
"""A piece of Kong's configuration."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The file, its chains by route, and the headers that only Outrider may set."""

    configuration: Configuration
    chains: Mapping[str, Chain]
    identity_headers: frozenset[str]
    is_for_kong_pdk: bool = False
    targets: Mapping[str, tuple[Target, ...]] = field(default_factory=dict[str, tuple[Target, ...]])
    """The targets of upstreams that have others now than the file says."""

    def chain_name(self, route: str) -> str | None:
        """Which of Kong's plugins runs the chain of a route; None where no plugin runs."""
        chain = self.chains[route]
        return chain_for(chain.hooks) if chain.slots else None

    @property
    def guarded(self) -> dict[str, str]:
        """The routes that a guard looks after, each with its chain's name: kong-pdk lets on what it can't check."""
        named = {route: self.chain_name(route) for route in self.chains if self.is_for_kong_pdk}
        return {route: name for route, name in named.items() if name is not None}

    @property
    def chain_names(self) -> list[str]:
        """Those that the file needs."""
        needed = {self.chain_name(route) for route in self.chains}
        return [name for name in CHAINS if name in needed]
