"""Envoy's RBAC filter in front of all others: paths and hosts that somebody behind would read as another one."""

from outrider_envoy.render.plan import Section, typed

MALFORMED = "outrider.malformed"
POLICY = "malformed"

_KIND = "envoy.extensions.filters.http.rbac.v3"
# `/x/%2e%2e;/admin`: Envoy takes the escapes off, and then leaves `..;` as it is; some servers read it as `..`.
_DOTS = ".*/[.][.]?;.*"
# The router of Kong 3.9 finds no route for a path whose escapes are no UTF-8 (RFC 3629, section 4). Here classes of
# regular expressions would not match it, and a wider route would take what a guarded one is for.
_TAIL = "%[89ABab][0-9A-Fa-f]"
_CHARACTERS = (
    "[^%]",
    "%[0-7][0-9A-Fa-f]",
    f"%(?:[Cc][2-9A-Fa-f]|[Dd][0-9A-Fa-f]){_TAIL}",
    f"%[Ee](?:0%[ABab][0-9A-Fa-f]|[1-9A-Ca-cEFef]{_TAIL}|[Dd]%[89][0-9A-Fa-f]){_TAIL}",
    f"%[Ff](?:0%[9ABab][0-9A-Fa-f]|[1-3]{_TAIL}|4%8[0-9A-Fa-f]){_TAIL}{_TAIL}",
)
_UTF_8 = f"(?:{'|'.join(_CHARACTERS)})*"
_LABEL = "[A-Za-z0-9_-]+"
_HOST = rf"(?:{_LABEL}(?:[.]{_LABEL})*[.]?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?"


def malformed_filter() -> Section:
    """Refuses them before any plugin, also on routes without one."""
    host = {"name": ":authority", "string_match": _regex(_HOST), "invert_match": True}
    permissions = [_path(_DOTS), {"not_rule": _path(_UTF_8)}, {"header": host}]
    policy = {"permissions": permissions, "principals": [{"any": True}]}
    rules = {"action": "DENY", "policies": {POLICY: policy}}
    return {"name": MALFORMED, "typed_config": typed(f"{_KIND}.RBAC", rules=rules)}


def _path(text: str) -> Section:
    return {"url_path": {"path": _regex(text)}}


def _regex(text: str) -> Section:
    return {"safe_regex": {"regex": text}}
