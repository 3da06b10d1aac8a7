"""What an HttpConnectionManager must do before a plugin sees a request."""

from dataclasses import dataclass
from typing import Final

from outrider_envoy.inspection.finding import Rule, Words, mistake, warning
from outrider_envoy.inspection.listeners import Manager
from outrider_envoy.inspection.section import kind_of, number, part, parts, text, unwrapped
from outrider_envoy.render.plan import Plan, Section

_ONE_SPELLING = ("REJECT_REQUEST", "UNESCAPE_AND_REDIRECT", "UNESCAPE_AND_FORWARD")
_INTERNAL = "x-envoy-"


@dataclass(frozen=True, slots=True)
class Entrance:
    """A manager through which requests come to the workers, and the plan of the file."""

    manager: Manager
    plan: Plan

    @property
    def config(self) -> Section:
        return self.manager.config


def normal_paths(entrance: Entrance) -> Words:
    if entrance.config.get("normalize_path") is not True:
        yield mistake("a protected route is reached as /open/../orders", "set normalize_path: true")


def merged_slashes(entrance: Entrance) -> Words:
    if entrance.config.get("merge_slashes") is not True:
        yield mistake("a protected route is reached as //orders", "set merge_slashes: true")


def escaped_slashes(entrance: Entrance) -> Words:
    if text(entrance.config, "path_with_escaped_slashes_action") not in _ONE_SPELLING:
        yield mistake(
            "a protected route is reached as /open/..%2forders",
            "set path_with_escaped_slashes_action: REJECT_REQUEST",
        )


def underscores(entrance: Entrance) -> Words:
    options = part(entrance.config, "common_http_protocol_options")
    if text(options, "headers_with_underscores_action") not in ("REJECT_REQUEST", "DROP_HEADER"):
        yield mistake(
            "x_consumer_id, which many servers read as x-consumer-id, goes upstream",
            "set common_http_protocol_options.headers_with_underscores_action: REJECT_REQUEST",
        )


def remote_address(entrance: Entrance) -> Words:
    """Who calls is who has the connection, unless that is one of the proxies that may say so."""
    if entrance.config.get("use_remote_address") is True:
        if hops := number(entrance.config, "xff_num_trusted_hops", 0):
            yield warning(
                f"x-forwarded-for is believed for {hops:g} hops, whoever has the connection",
                "take xff_num_trusted_hops away unless nobody but your proxies can connect",
            )
    elif not _believes_proxies_only(entrance.manager):
        yield mistake("the client's address is what the client says it is", "set use_remote_address: true")


def internal_headers(entrance: Entrance) -> Words:
    if entrance.config.get("use_remote_address") is True or _removes(entrance.config, _INTERNAL):
        return
    yield mistake(
        "x-envoy-* headers of downstream are obeyed, as a proxy passes them on",
        "remove them by early_header_mutation_extensions, with remove_on_match and the prefix x-envoy-",
    )


def identity_headers(entrance: Entrance) -> Words:
    missing = sorted(name for name in entrance.plan.identity_headers if not _removes(entrance.config, name))
    if missing:
        yield mistake(
            f"downstream can say who it is in {', '.join(missing)}",
            "remove what downstream sends under these names by early_header_mutation_extensions",
        )


def seen_routes(entrance: Entrance) -> Words:
    if entrance.manager.unknown:
        yield mistake(
            f"{entrance.manager.unknown}, so nothing can be said about its routes",
            "give it a route_config, or rds with a table that has come",
        )


ALWAYS: Final[tuple[Rule[Entrance], ...]] = (
    normal_paths,
    merged_slashes,
    escaped_slashes,
    remote_address,
    seen_routes,
)
"""Also where requests are only counted."""
PLUGINS: Final[tuple[Rule[Entrance], ...]] = (underscores, internal_headers, identity_headers)
"""Where plugins run."""


def _believes_proxies_only(manager: Manager) -> bool:
    configs = [unwrapped(part(one, "typed_config")) for one in _detections(manager.config)]
    if not configs:
        return False
    if manager.match.get("direct_source_prefix_ranges"):
        return True
    return all(kind_of(one) == "XffConfig" and parts(part(one, "xff_trusted_cidrs"), "cidrs") for one in configs)


def _detections(config: Section) -> list[Section]:
    return parts(config, "original_ip_detection_extensions")


def _removes(config: Section, name: str) -> bool:
    """Whether an early mutation takes off every header of that name, or with that prefix, if it ends with `-`."""
    extensions = parts(config, "early_header_mutation_extensions")
    mutations = [one for each in extensions for one in parts(unwrapped(part(each, "typed_config")), "mutations")]
    return any(_takes_off(mutation, name) for mutation in mutations)


def _takes_off(mutation: Section, name: str) -> bool:
    if text(mutation, "remove").lower() == name:
        return True
    matcher = part(mutation, "remove_on_match", "key_matcher")
    prefix, exact = text(matcher, "prefix").lower(), text(matcher, "exact").lower()
    return exact == name or bool(prefix and name.startswith(prefix))
