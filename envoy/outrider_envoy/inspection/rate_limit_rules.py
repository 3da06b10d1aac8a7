"""What a rate limit filter that asks the workers must say."""

from typing import Final

from outrider.config.mistake import closest
from outrider_envoy.inspection.askers import Asker
from outrider_envoy.inspection.ext_authz_rules import is_always
from outrider_envoy.inspection.finding import Rule, Words, mistake
from outrider_envoy.inspection.section import part, seconds_of, text

PATIENCE: Final = 0.1
"""The least that an answer may take on a busy machine, in seconds. Envoy's own default is 0.02."""
_DEFAULT = 0.02


def unserved(asker: Asker) -> Words:
    if asker.plan.configuration.gateway.rate_limit_service is None:
        yield mistake(
            "asks the workers for limits, and the file has no gateway.rate_limit_service",
            "add one, or take the filter away",
        )


def passing_failures(asker: Asker) -> Words:
    if asker.config.get("failure_mode_deny") is not True:
        yield mistake("requests pass without a limit when the workers do not answer", "set failure_mode_deny: true")


def sometimes_asked(asker: Asker) -> Words:
    for name in ("filter_enabled", "filter_enforced", "failure_mode_deny_percent"):
        if name in asker.config and not is_always(part(asker.config, name)):
            yield mistake("some requests pass without a limit", f"take {name} away")
    if text(asker.config, "request_type") not in ("", "both"):
        yield mistake("some requests pass without a limit", "set request_type: both")


def impatience(asker: Asker) -> Words:
    found = seconds_of(asker.config, "timeout", _DEFAULT)
    if found < PATIENCE:
        yield mistake(f"an answer may take {found:g} s, too little on a busy machine", "set timeout: 0.250s")


def unknown_domain(asker: Asker) -> Words:
    service = asker.plan.configuration.gateway.rate_limit_service
    domains = [one.domain for one in service.domains] if service else []
    levels = [level.config for route in asker.manager.routes for level in route.overrides(asker.filter.name)]
    asked = dict.fromkeys(text(config, "domain") for config in [asker.config, *levels] if "domain" in config)
    for found in asked:
        if domains and found not in domains:
            yield mistake(f"its domain {found} has no limits in the file", closest(found, domains, "the domains are"))


RULES: Final[tuple[Rule[Asker], ...]] = (unserved, passing_failures, sometimes_asked, impatience, unknown_domain)
