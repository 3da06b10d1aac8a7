"""What Envoy looks at to see whether a request meets a rule."""

import re

from outrider.host_pattern import HostPattern
from outrider.plain_path import pattern_of
from outrider.regex import header_regex
from outrider.route_table import Candidate
from outrider.routing import Rule
from outrider_envoy.render.forwarded import SNI_HEADER
from outrider_envoy.render.plan import Section

_END = "[.]?"  # a host with a dot at its end is the same host


def match(candidate: Candidate, port: int) -> Section:
    """A `RouteMatch`; `port` is the listener's, for hosts that say none."""
    rule = candidate.rule
    headers = [
        *_methods(rule),
        *(() if candidate.host_is_sure else [_host(rule, port)]),
        *(_header(name, values) for name, values in rule.headers),
        *([_sni(rule)] if rule.snis else ()),
    ]
    return _path(rule) | ({"headers": headers} if headers else {})


def _path(rule: Rule) -> Section:
    if rule.regex:
        return _regex(rule.regex.text + ("" if rule.regex.to_end else ".*"))
    path = rule.path or "/"
    # Envoy compares a prefix letter by letter, and the hexadecimal digits of an escape have two cases.
    return _regex(f"{pattern_of(path)}.*") if "%" in path else {"prefix": path}


def _regex(text: str) -> Section:
    return {"safe_regex": {"regex": text}}


def _methods(rule: Rule) -> list[Section]:
    if not rule.methods:
        return []
    return [{"name": ":method", "string_match": _regex("|".join(map(re.escape, rule.methods)))}]


def _host(rule: Rule, port: int) -> Section:
    hosts = "|".join(_host_text(host, port) for host in rule.hosts)
    return {"name": ":authority", "string_match": _regex(f"(?i:{hosts})")}


def _host_text(host: HostPattern, port: int) -> str:
    name = re.escape(host.name)
    text = f".*{name}{_END}" if host.name.startswith(".") else f"{name}.*" if host.name.endswith(".") else name + _END
    if host.port is None:
        return f"{text}(?::[0-9]*)?"
    return f"{text}(?::{host.port}){'?' if host.port == port else ''}"


def _header(name: str, values: tuple[str, ...]) -> Section:
    """Any of the values. Where a header came several times, Envoy sees them with a comma between."""
    texts = "|".join(_value(value) for value in values)
    return {"name": name, "string_match": _regex(f"(?i:{texts})")}


def _value(value: str) -> str:
    if value.startswith("~*"):
        return f".*(?:{header_regex(value[2:]).text}).*"
    return f"(?:.*,)?{re.escape(value)}(?:,.*)?"


def _sni(rule: Rule) -> Section:
    """Without TLS the header is not there, and the rule asks for nothing."""
    names = "|".join(_sni_text(sni) for sni in rule.snis)
    return {
        "name": SNI_HEADER,
        "string_match": _regex(f"(?:sni:(?i:{names}))?"),
        "treat_missing_header_as_empty": True,
    }


def _sni_text(sni: HostPattern) -> str:
    name = re.escape(sni.name)
    return f".*{name}" if sni.name.startswith(".") else f"{name}.*" if sni.name.endswith(".") else name
