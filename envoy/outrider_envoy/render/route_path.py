"""The path that upstream gets: the service's, and what the route leaves of the request's, with one slash between."""

from outrider.config import Route
from outrider.plain_path import pattern_of
from outrider.routing import Rule
from outrider_envoy.render.plan import Section

# Kong: a rest that would lead upwards when a slash comes before it. `/s../x` begins with `/s`, too.
# And `..;` is `..` to some servers.
_UP = r"(?:\.\.?(?:;[^/]*)?/)?"
_NOTHING = r"(?:\.\.?(?:;[^/]*)?)?$"


def rewrite(rule: Rule, route: Route) -> Section:
    """The field of a `RouteAction`; empty where the path stays as it is."""
    path = route.service.path or "/"
    base = path.removesuffix("/")
    if not route.strip_path or (rule.path or "/") == "/":
        return _whole(path, base)
    if rule.regex and rule.regex.to_end:
        return _all(path, base)
    prefix = rule.regex.text if rule.regex else pattern_of(rule.path or "/")
    if not rule.regex and prefix.endswith("/"):
        return _rewrite(prefix, f"{base}/")
    # The slash may have to be put in, and can only be one of the path's own: its first.
    with_slash = f"(/){prefix.removeprefix('/')}(?:/|{_NOTHING}|{_UP})"
    if base and (not rule.regex or rule.regex.greedy):
        return _rewrite(f"{prefix}{_NOTHING}|{with_slash}", f"{base}\\1")
    return _rewrite(with_slash, f"{base}\\1")


def _all(path: str, base: str) -> Section:
    """Nothing is left of the request's path; the slash at its end is kept."""
    if not base:
        return _rewrite(".*", "/")
    return _rewrite(".*?(/?)$" if path.endswith("/") else "/$|.*?(/?)$", f"{base}\\1")


def _whole(path: str, base: str) -> Section:
    """Kong puts no slash behind the service's path for a request of `/`, unless it ends with one itself."""
    if not base:
        return {}
    return _rewrite("/", path) if path.endswith("/") else _rewrite("/$|(/)", f"{base}\\1")


def _rewrite(pattern: str, substitution: str) -> Section:
    return {"regex_rewrite": {"pattern": {"regex": f"^(?:{pattern})"}, "substitution": substitution}}


def stripped(rule: Rule, route: Route) -> str | None:
    """What is always taken off; None where it is nothing, or another thing for each request."""
    if not route.strip_path or rule.regex or (rule.path or "/") == "/":
        return None
    return rule.path
