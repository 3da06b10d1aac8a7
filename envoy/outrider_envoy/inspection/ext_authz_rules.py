"""What an ext_authz filter that asks the workers must say."""

from typing import Final

from outrider_envoy.inspection.askers import Asker
from outrider_envoy.inspection.asking_rules import longest_answer
from outrider_envoy.inspection.finding import Rule, Words, mistake, warning
from outrider_envoy.inspection.section import number, part, parts, seconds_of, text
from outrider_envoy.limits import BODY_LIMIT
from outrider_envoy.render.filters import message_timeout
from outrider_envoy.render.plan import Section, seconds
from outrider_envoy.selection import CLIENT_KEY

_BASE, _LONGEST = 1.0, 10.0  # seconds, of a retry policy without a back-off
HUNDRED: Final = {"": 100, "HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}


def passing_failures(asker: Asker) -> Words:
    if asker.config.get("failure_mode_allow") is True:
        yield mistake("requests pass when the workers fail", "set failure_mode_allow: false")


def impatient_tries(asker: Asker) -> Words:
    """Envoy takes the longest back-off of a retry policy for the time-out of a try, too; not so of a stream."""
    found, needed = _try(asker.grpc_service), longest_answer(asker)
    if found < needed:
        yield mistake(
            f"a try may take {found:g} s, as retry_back_off says, and an answer may take {needed:g} s",
            f"set retry_back_off.max_interval: {seconds(message_timeout(asker.plan))}",
        )


def sometimes_asked(asker: Asker) -> Words:
    some = "filter_enabled" in asker.config and not is_always(part(asker.config, "filter_enabled"))
    if some or "filter_enabled_metadata" in asker.config:
        yield mistake("some requests pass without a question", "take filter_enabled and filter_enabled_metadata away")


def joined_headers(asker: Asker) -> Words:
    if asker.config.get("encode_raw_headers") is not True:
        yield mistake("the plugins do not see header values as they were sent", "set encode_raw_headers: true")


def hidden_headers(asker: Asker) -> Words:
    if part(asker.config, "allowed_headers") or part(asker.config, "disallowed_headers"):
        yield mistake("the plugins do not see all headers", "take allowed_headers and disallowed_headers away")


def forbidden_mutations(asker: Asker) -> Words:
    rules = part(asker.config, "decoder_header_mutation_rules")
    if any(
        rules.get(name) not in (None, False) for name in ("disallow_all", "disallow_system", "disallow_expression")
    ):
        yield mistake("plugins can't change headers as they may", "take decoder_header_mutation_rules away")


def other_route(asker: Asker) -> Words:
    if asker.config.get("clear_route_cache") is True:
        yield mistake(
            "a request may choose another route after the plugins of the first one ran",
            "set clear_route_cache: false",
        )


def lost_marks(asker: Asker) -> Words:
    if asker.config.get("enable_dynamic_metadata_ingestion") is False:
        yield mistake("the mark of a decision is dropped", "take enable_dynamic_metadata_ingestion away")


def unread_bodies(asker: Asker) -> Words:
    if not asker.plan.holds_bodies:
        return
    body = part(asker.config, "with_request_body")
    whole = body.get("allow_partial_message") is not True and body.get("pack_as_bytes") is True
    if not whole:
        form = f"{{max_request_bytes: {BODY_LIMIT}, allow_partial_message: false, pack_as_bytes: true}}"
        yield mistake("plugins that read a body do not get it whole", f"set with_request_body: {form}")
    elif number(body, "max_request_bytes", 0) < BODY_LIMIT:
        yield warning(
            "a body that the plugins would read gets 413", f"set with_request_body.max_request_bytes: {BODY_LIMIT}"
        )


def proxies_address(asker: Asker) -> Words:
    """`source` of a check is the connection's peer, which is the proxy."""
    looks = any("client" in chain.facts for chain in asker.plan.chains.values())
    told = any(text(one, "key") == CLIENT_KEY for one in parts(asker.grpc_service, "initial_metadata"))
    if looks and asker.plan.configuration.gateway.trusted_ips and not told:
        yield mistake(
            "behind trusted proxies the plugins take a proxy's address for the client's",
            f"set grpc_service.initial_metadata with the key {CLIENT_KEY}: see render envoy --filters",
        )


def is_always(runtime_fraction: Section) -> bool:
    """Whether a fraction of requests is all of them."""
    value = part(runtime_fraction, "default_value")
    return number(value, "numerator", 0) >= HUNDRED.get(text(value, "denominator"), 1 << 62)


RULES: Final[tuple[Rule[Asker], ...]] = (
    passing_failures,
    impatient_tries,
    sometimes_asked,
    joined_headers,
    hidden_headers,
    forbidden_mutations,
    other_route,
    lost_marks,
    unread_bodies,
    proxies_address,
)


def _try(service: Section) -> float:
    if "retry_policy" not in service:
        return float("inf")
    back_off = part(service, "retry_policy", "retry_back_off")
    if not back_off:
        return _LONGEST
    return seconds_of(back_off, "max_interval", 10 * seconds_of(back_off, "base_interval", _BASE))
