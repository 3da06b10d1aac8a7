"""What an ext_proc filter that asks the workers must say."""

from typing import Final

from outrider_envoy.inspection.askers import Asker
from outrider_envoy.inspection.finding import Rule, Words, mistake, warning
from outrider_envoy.inspection.section import part, parts, text, texts
from outrider_envoy.marks import NAMESPACE


def passing_failures(asker: Asker) -> Words:
    if asker.config.get("failure_mode_allow") is True:
        yield mistake("requests pass when the workers fail", "set failure_mode_allow: false")


def watching_only(asker: Asker) -> Words:
    if asker.config.get("observability_mode") is True:
        yield mistake("every answer of the workers is ignored", "take observability_mode away")


def no_replies(asker: Asker) -> Words:
    if asker.config.get("disable_immediate_response") is True:
        yield mistake("no plugin can refuse a request", "take disable_immediate_response away")


def lost_marks(asker: Asker) -> Words:
    if NAMESPACE not in texts(part(asker.config, "metadata_options", "receiving_namespaces"), "untyped"):
        yield mistake(
            "the mark of a decision and the reply headers are dropped",
            f"set metadata_options: {{receiving_namespaces: {{untyped: [{NAMESPACE}]}}}}",
        )


def ignored_overrides(asker: Asker) -> Words:
    """An answer fits the mode of a body to the message at hand."""
    if asker.config.get("allow_mode_override") is True and not parts(asker.config, "allowed_override_modes"):
        return
    chains = asker.plan.chains.values()
    remedy = "set allow_mode_override: true, without allowed_override_modes"
    if any(chain.resizes for chain in chains):
        yield mistake("a plugin that changes the length of a body piece by piece breaks it", remedy)
    elif asker.plan.holds_bodies and parts(asker.manager.config, "upgrade_configs"):
        yield mistake("an upgrade hangs on a route that reads whole bodies", remedy)
    elif asker.plan.wants_bodies:
        yield warning("bodies that no plugin needs are sent to the workers, too", remedy)


def unheard_bodies(asker: Asker) -> Words:
    if asker.config.get("send_body_without_waiting_for_header_response") is True:
        yield mistake(
            "what an answer says about a body is ignored",
            "take send_body_without_waiting_for_header_response away",
        )


def silent_mutations(asker: Asker) -> Words:
    if part(asker.config, "mutation_rules").get("disallow_is_error") is not True:
        yield mistake(
            "a change that Envoy does not allow is left out in silence",
            "set mutation_rules: {disallow_is_error: true}",
        )


def forbidden_mutations(asker: Asker) -> Words:
    rules = part(asker.config, "mutation_rules")
    for name in ("disallow_all", "disallow_system", "disallow_expression"):
        if rules.get(name) not in (None, False):
            yield mistake("plugins can't change headers as they may", f"take {name} out of mutation_rules")


def other_route(asker: Asker) -> Words:
    if text(asker.config, "route_cache_action") == "CLEAR":
        yield mistake(
            "a request may choose another route after the plugins of the first one ran",
            "set route_cache_action: RETAIN",
        )


def unknown_client(asker: Asker) -> Words:
    looks = any("client" in chain.facts for chain in asker.plan.chains.values())
    if looks and "source.address" not in texts(asker.config, "request_attributes"):
        yield mistake("plugins that look at the client's address fail", "set request_attributes: [source.address]")


def hidden_headers(asker: Asker) -> Words:
    if part(asker.config, "forward_rules"):
        yield mistake("the plugins do not see all headers", "take forward_rules away")


RULES: Final[tuple[Rule[Asker], ...]] = (
    passing_failures,
    watching_only,
    no_replies,
    lost_marks,
    ignored_overrides,
    unheard_bodies,
    silent_mutations,
    forbidden_mutations,
    other_route,
    unknown_client,
    hidden_headers,
)
