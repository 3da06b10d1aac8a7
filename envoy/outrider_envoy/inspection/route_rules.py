"""What a route of Envoy's must say to the filters of ours."""

from collections.abc import Collection
from typing import Final

from outrider.config.mistake import closest, shown
from outrider_envoy.inspection.asking_rules import TIMEOUT, longest_answer
from outrider_envoy.inspection.finding import Rule, Words, mistake, warning
from outrider_envoy.inspection.guard import guard_of, lets_pass
from outrider_envoy.inspection.passages import Passage
from outrider_envoy.inspection.section import kind_of, part, seconds_of, text, texts
from outrider_envoy.marks import NAMESPACE
from outrider_envoy.selection import ROUTE_KEY

_MANY = 500
_OURS = ("ExtProcPerRoute", "ExtAuthzPerRoute", "RBACPerRoute", "HeaderMutationPerRoute")


def unknown_name(passage: Passage) -> Words:
    chains = passage.asker.plan.chains
    if passage.runs and passage.named and passage.named not in chains:
        yield mistake(
            f"{ROUTE_KEY} is {shown(passage.named)}, which is no route of the file, so all requests are refused",
            _nearest(passage.named, chains, "the routes of the file are"),
        )


def hidden_name(passage: Passage) -> Words:
    if passage.runs and passage.hidden:
        yield warning(
            "Envoy does not show which route of the file it names, so nothing can be said about its bodies",
            "give it the name of that route for its own",
        )


def left_out(passage: Passage) -> Words:
    chain = passage.asker.plan.chains.get(passage.named or passage.route.name)
    if not passage.runs and passage.route.forwards and chain is not None and chain.slots:
        yield mistake(
            f"its plugins do not run, as the filter {passage.asker.filter.name} is off there",
            "take disabled away, and give it what render envoy --filters prints for the route",
        )


def guard_left_out(passage: Passage) -> Words:
    guard = guard_of(passage.asker)
    if passage.runs and guard is not None and lets_pass(passage.asker, guard, passage.route):
        yield mistake(
            f"requests that no plugin decided on pass, as the filter {guard.name} is off there",
            "take its typed_per_filter_config away",
        )


def guard_alone(passage: Passage) -> Words:
    guard = guard_of(passage.asker)
    if passage.runs or guard is None or lets_pass(passage.asker, guard, passage.route):
        return
    yield warning(
        f"all requests are refused: {passage.asker.filter.name} is off there, and {guard.name} asks for its mark",
        f"give {guard.name} an RBACPerRoute without rules there, too",
    )


def unheard(passage: Passage) -> Words:
    """What stands under a name that no filter has is ignored."""
    known = {one.name for one in passage.asker.manager.filters}
    names = {name: part(level, name) for level in passage.route.levels for name in level if name not in known}
    for name, config in names.items():
        ours = kind_of(config) in _OURS
        what = f"what it says to {name} is ignored, as no filter of the listener has that name"
        yield (mistake if ours else warning)(what, _nearest(name, known, "the filters are"))


def passing_failures(passage: Passage) -> Words:
    overrides = [part(config, "overrides") for config in passage.overrides()]
    said = [one["failure_mode_allow"] for one in overrides if "failure_mode_allow" in one]
    if passage.runs and said[-1:] == [True]:
        yield mistake("requests pass when the workers fail", "take failure_mode_allow out of the overrides")


def lost_marks(passage: Passage) -> Words:
    options = passage.latest("overrides", "metadata_options", "receiving_namespaces")
    if passage.runs and options is not None and NAMESPACE not in texts(options, "untyped"):
        yield mistake(
            "the mark of a decision and the reply headers are dropped",
            f"add {NAMESPACE} to metadata_options.receiving_namespaces of the overrides",
        )


def asks_somebody_else(passage: Passage) -> Words:
    asked = text(part(passage.service(), "envoy_grpc"), "cluster_name")
    if passage.runs and asked != passage.asker.cluster:
        yield mistake("the workers are not asked, but another cluster", "take grpc_service out of what it says")


def impatience(passage: Passage) -> Words:
    """A route may have a time-out of its own for ext_authz."""
    own, needed = passage.latest("check_settings", "grpc_service"), longest_answer(passage.asker)
    if passage.runs and own is not None and (found := seconds_of(own, "timeout", TIMEOUT)) < needed:
        yield mistake(
            f"grpc_service.timeout is {found:g} s, and an answer may take {needed:g} s",
            "take grpc_service out of what it says",
        )


RULES: Final[tuple[Rule[Passage], ...]] = (
    unknown_name,
    hidden_name,
    left_out,
    guard_left_out,
    guard_alone,
    unheard,
    passing_failures,
    lost_marks,
    asks_somebody_else,
    impatience,
)


def _nearest(name: str, known: Collection[str], what: str) -> str:
    """Names are compared with each other only as long as they are not too many: this may be asked for each route."""
    return closest(name, known, what) if len(known) <= _MANY else "give one that is there"
