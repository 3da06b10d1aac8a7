"""Envoy's RBAC filter in front of all others: paths and hosts that somebody behind would read as another one."""

from outrider_envoy.render.plan import Section, typed

MALFORMED = "outrider.malformed"
POLICY = "malformed"

_KIND = "envoy.extensions.filters.http.rbac.v3"
# `/x/%2e%2e;/admin`: Envoy takes the escapes off, and then leaves `..;` as it is; some servers read it as `..`.
_DOTS = ".*/[.][.]?;.*"
_LABEL = "[A-Za-z0-9_-]+"
_HOST = rf"(?:{_LABEL}(?:[.]{_LABEL})*[.]?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?"


def malformed_filter() -> Section:
    """Refuses them before any plugin, also on routes without one."""
    host = {"name": ":authority", "string_match": _regex(_HOST), "invert_match": True}
    permissions = [{"url_path": {"path": _regex(_DOTS)}}, {"header": host}]
    policy = {"permissions": permissions, "principals": [{"any": True}]}
    rules = {"action": "DENY", "policies": {POLICY: policy}}
    return {"name": MALFORMED, "typed_config": typed(f"{_KIND}.RBAC", rules=rules)}


def _regex(text: str) -> Section:
    return {"safe_regex": {"regex": text}}
