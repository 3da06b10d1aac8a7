"""What a route must let the workers see and do, by the hooks of its chain."""

from collections.abc import Iterator, Mapping
from typing import Final

from outrider_envoy.ext_authz import BODY_KEY, WHOLE
from outrider_envoy.inspection.finding import Rule, Word, Words, mistake, warning
from outrider_envoy.inspection.passages import REDACTED, Passage, is_off
from outrider_envoy.inspection.section import number, part, parts, text
from outrider_envoy.limits import BODY_LIMIT
from outrider_envoy.marks import NAMESPACE, REPLY
from outrider_envoy.render.plan import Section
from outrider_envoy.selection import ROUTE_KEY

_DUPLEX = "FULL_DUPLEX_STREAMED"
_ENOUGH: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    # DEFAULT sends headers, and neither bodies nor trailers.
    "header": {"SEND": ("", "DEFAULT", "SEND")},
    "trailer": {"SEND": ("SEND",)},
    # An answer makes the first of the second.
    "body": {"BUFFERED": ("BUFFERED",), "STREAMED": ("STREAMED", "BUFFERED", _DUPLEX)},
}


def phases(passage: Passage) -> Words:
    """Each phase that a chain needs is sent."""
    if not _speaks(passage, "ext_proc"):
        return
    given = _mode(passage)
    for field, wanted in passage.wanted.modes.items():
        found = text(given, field)
        enough = _ENOUGH[field.split("_")[1]].get(wanted)
        if enough is not None and found not in enough:
            yield _missing(passage, field, wanted, found)


def duplex(passage: Passage) -> Words:
    if not _speaks(passage, "ext_proc"):
        return
    given = _mode(passage)
    for field in ("request_body_mode", "response_body_mode"):
        if text(given, field) == _DUPLEX:
            yield warning(
                f"{field} is {_DUPLEX}, so answers can't lessen it, and message_timeout does not hold for the body",
                "set it to STREAMED: answers ask for the other where it is needed",
            )


def reply_headers(passage: Passage) -> Words:
    """These have a filter of their own, so that they stand on whatever answers."""
    if not _speaks(passage, "ext_proc"):
        return
    if missing := sorted(passage.wanted.reply_headers.difference(_told(passage))):
        yield mistake(
            f"downstream does not get {', '.join(missing)}, which plugins of {passage.wanted} set",
            "add to it what render envoy --filters prints under envoy.filters.http.header_mutation, and that filter",
        )


def room(passage: Passage) -> Words:
    if not _speaks(passage, "ext_proc"):
        return
    limit = number(passage.route.message, "request_body_buffer_limit", passage.asker.manager.buffer_limit)
    if passage.wanted.hooks & {"on_request_body", "on_response_body"} and limit < BODY_LIMIT:
        yield warning(
            f"a body of more than {limit:.0f} bytes, which plugins would read, is refused",
            f"set per_connection_buffer_limit_bytes of the listener to {BODY_LIMIT}",
        )


def unread_bodies(passage: Passage) -> Words:
    """ext_authz brings a body where the filter, the route and the context say so."""
    if not (_speaks(passage, "ext_authz") and _reads(passage)):
        return
    settings = part((passage.overrides() or [{}])[-1], "check_settings")
    own = part(settings, "with_request_body")
    if settings.get("disable_request_body_buffering") is True or own.get("allow_partial_message") is True:
        yield mistake(
            f"plugins of {passage.wanted} read the body, and do not get it whole",
            "take disable_request_body_buffering and with_request_body out of check_settings",
        )
    if passage.context().get(BODY_KEY) not in (WHOLE, REDACTED):
        yield mistake(
            f"plugins of {passage.wanted} read the body, and the route does not say that it sends it",
            f"set check_settings.context_extensions: {{{BODY_KEY}: {WHOLE}}}",
        )


def needless_bodies(passage: Passage) -> Words:
    holds = "with_request_body" in passage.asker.config
    if not _speaks(passage, "ext_authz") or _reads(passage) or passage.hidden or not holds:
        return
    settings = part((passage.overrides() or [{}])[-1], "check_settings")
    if settings.get("disable_request_body_buffering") is not True:
        yield warning(
            "Envoy holds bodies that no plugin reads, and refuses large ones",
            "set check_settings.disable_request_body_buffering: true",
        )


RULES: Final[tuple[Rule[Passage], ...]] = (
    phases,
    duplex,
    reply_headers,
    room,
    unread_bodies,
    needless_bodies,
)


def _speaks(passage: Passage, protocol: str) -> bool:
    """Whether chains run for the route over that protocol. One that answers by itself is judged where it is named."""
    return passage.asker.protocol == protocol and passage.runs and (passage.route.forwards or bool(passage.named))


def _mode(passage: Passage) -> Section:
    own = passage.latest("overrides", "processing_mode")
    return part(passage.asker.config, "processing_mode") if own is None else own


def _missing(passage: Passage, field: str, wanted: str, found: str) -> Word:
    name = "" if passage.named else f"name the route to the workers by {ROUTE_KEY}, and "
    return mistake(
        f"{field} is {found or 'not set'}, and plugins of {passage.wanted} need {wanted}",
        f"{name}set {field}: {wanted}",
    )


def _reads(passage: Passage) -> bool:
    return "on_request_body" in passage.wanted.hooks


def _told(passage: Passage) -> Iterator[str]:
    """The reply headers that a header_mutation filter sets from the metadata."""
    for one in passage.asker.manager.filters:
        if one.kind != "HeaderMutation" or is_off(one, passage.route):
            continue
        configs = [one.config, *(level.config for level in passage.route.overrides(one.name))]
        for config in configs:
            mutations = parts(part(config, "mutations"), "response_mutations")
            headers = [part(mutation, "append", "header") for mutation in mutations]
            yield from (name for header in headers if (name := _reply_header(header)))


def _reply_header(header: Section) -> str:
    name = text(header, "key").lower()
    return name if f"%DYNAMIC_METADATA({NAMESPACE}:{REPLY}:{name})%" in text(header, "value") else ""
