"""The path that upstream gets: the service's, and what the route leaves of the request's, with one slash between."""

from outrider.config import Route
from outrider.plain_path import pattern_of
from outrider.routing import Rule
from outrider_envoy.render.plan import Section

# Kong: a rest that would lead upwards when a slash comes before it. `/s../x` begins with `/s`, too.
# And `..;` is `..` to some servers.
_UP = r"(?:\.\.?(?:;[^/]*)?/)?"
_NOTHING = r"(?:\.\.?(?:;[^/]*)?)?$"


# By a second slash a worker says that the path stands below the service's own (`PATH_KEY`).
_MARKED = "/(/)"


def rewrite(rule: Rule, route: Route, *, by_plugin: bool = False) -> Section:
    """The field of a `RouteAction`; empty where the path stays as it is. `by_plugin` where plugins may write it."""
    base = (route.service.path or "/").removesuffix("/")
    pattern = _pattern(rule, route, base)
    if by_plugin:
        pattern = f"{_MARKED}|{pattern}" if pattern else _MARKED
    if not pattern:
        return {}
    substitution = f"{base}\\1\\2" if by_plugin and pattern != _MARKED else f"{base}\\1"
    return {"regex_rewrite": {"pattern": {"regex": f"^(?:{pattern})"}, "substitution": substitution}}


def _pattern(rule: Rule, route: Route, base: str) -> str:
    """What the service's path takes the place of, with one group: the slash that comes behind it."""
    path = route.service.path or "/"
    if not route.strip_path or (rule.path or "/") == "/":
        return _whole(path, base)
    if rule.regex and rule.regex.to_end:
        return _all(path, base)
    prefix = rule.regex.text if rule.regex else pattern_of(rule.path or "/")
    if not rule.regex and prefix.endswith("/"):
        return f"{prefix.removesuffix('/')}(/)"
    # The slash may have to be put in, and can only be one of the path's own: its first.
    with_slash = f"(/){prefix.removeprefix('/')}(?:/|{_NOTHING}|{_UP})"
    if base and (not rule.regex or rule.regex.greedy):
        return f"{prefix}{_NOTHING}|{with_slash}"
    return with_slash


def _all(path: str, base: str) -> str:
    """Nothing is left of the request's path; the slash at its end is kept."""
    if not base:
        return "(/).*"
    return ".*?(/?)$" if path.endswith("/") else "/$|.*?(/?)$"


def _whole(path: str, base: str) -> str:
    """Kong puts no slash behind the service's path for a request of `/`, unless it ends with one itself."""
    if not base:
        return ""
    return "(/)" if path.endswith("/") else "/$|(/)"


def stripped(rule: Rule, route: Route) -> str | None:
    """What is always taken off; None where it is nothing, or another thing for each request."""
    if not route.strip_path or rule.regex or (rule.path or "/") == "/":
        return None
    return rule.path
