"""What the plugins are called in Kong, and the phases that each name has."""

from collections.abc import Collection, Mapping

from outrider.needs import Hook
from outrider.plugin import Plugin

PREFIX = "outrider-"
"""Stands before a plugin's name: Kong's own plugin of the same name would win over ours."""

CHAINS: Mapping[str, tuple[str, ...]] = {
    "outrider-chain": ("access",),
    "outrider-chain-log": ("access", "log"),
    "outrider-chain-response": ("access", "response", "log"),
}
"""The names that run a list of plugins in one event, each with its phases: the first has the fewest.

Phases belong to a name, not to its configuration, and a phase costs every request of the route: with `response`
Kong holds every response until its last byte has come.
"""

_PHASES: Mapping[Hook, str] = {
    "on_request": "access",
    "on_request_body": "access",
    "on_response": "response",
    "on_response_body": "response",
    "on_log": "log",
}


def phases_of(hooks: Collection[Hook]) -> tuple[str, ...]:
    """The phases that hooks run in, in Kong's order; access always, since there a request's chain begins."""
    wanted = {"access", *(phase for hook, phase in _PHASES.items() if hook in hooks)}
    return tuple(phase for phase in ("access", "response", "log") if phase in wanted)


def phases_alone(cls: type[Plugin]) -> tuple[str, ...]:
    """The phases of a plugin that Kong runs by itself, whatever its configuration."""
    return phases_of(cls.overridden() - cls.rare_hooks)


def chain_for(hooks: Collection[Hook]) -> str:
    """The first of the chains that has the phases of all these hooks."""
    wanted = phases_of(hooks)
    return next(name for name, own in CHAINS.items() if set(wanted) <= set(own))
