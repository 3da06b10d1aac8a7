"""What holds for a filter that asks the workers, whichever protocol it speaks."""

from typing import Final

from outrider_envoy.inspection.askers import Asker
from outrider_envoy.inspection.finding import Rule, Words, mistake
from outrider_envoy.inspection.section import seconds_of
from outrider_envoy.render.filters import message_timeout
from outrider_envoy.render.plan import seconds

TIMEOUT = 0.2
"""Envoy's own time-out of both filters, in seconds."""


def protocol(asker: Asker) -> Words:
    wanted, found = asker.plan.configuration.gateway.protocol, asker.protocol
    if found != wanted:
        yield mistake(
            f"asks over {found}, and the file has gateway.protocol: {wanted}, so plugins with other phases run "
            "in part",
            "make them the same",
        )


def somebody_elses_way(asker: Asker) -> Words:
    if not asker.cluster:
        yield mistake(
            "does not ask over envoy_grpc, so all requests go to one worker, or to none",
            "set grpc_service.envoy_grpc.cluster_name to a cluster with an endpoint for each worker",
        )


def sometimes_skipped(asker: Asker) -> Words:
    if asker.filter.may_skip:
        yield mistake("a matcher lets some requests pass the filter by", "take ExtensionWithMatcher away from it")


def impatience(asker: Asker) -> Words:
    """Envoy's own answer to a late worker comes before the worker's."""
    needed = longest_answer(asker)
    if asker.protocol == "ext_proc":
        name, found = "message_timeout", seconds_of(asker.config, "message_timeout", TIMEOUT)
    else:
        name, found = "grpc_service.timeout", seconds_of(asker.grpc_service, "timeout", TIMEOUT)
    if found < needed:
        yield mistake(
            f"{name} is {found:g} s, and the hooks of a chain and the queue before them may take {needed:g} s",
            f"set {name}: {seconds(message_timeout(asker.plan))}",
        )


RULES: Final[tuple[Rule[Asker], ...]] = (
    somebody_elses_way,
    sometimes_skipped,
    impatience,
)


def longest_answer(asker: Asker) -> float:
    """How long the hooks of any chain and the queue before them may take, in seconds."""
    budgets = [chain.budget for chain in asker.plan.chains.values()]
    return asker.plan.configuration.gateway.queue_budget / 1000 + max(budgets, default=0.0)
