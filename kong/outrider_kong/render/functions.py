"""The functions in Lua that Kong runs for us: one before all plugins, one behind them."""

import re
from collections.abc import Iterable
from importlib.resources import files

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2: neither a quote nor a backslash
_NAMES = "--NAMES\n"


def pre_function(identity: Iterable[str]) -> str:
    """Takes what downstream sent under these names (lower case, with `-`) off every request."""
    return _lua("pre_function").replace(
        _NAMES, "".join(f'  ["{_checked(name)}"] = true,\n' for name in sorted(identity))
    )


def post_function() -> str:
    """Sets the reply headers that the plugins left."""
    return _lua("post_function")


def _lua(name: str) -> str:
    return (files(__package__ or "") / f"{name}.lua").read_text(encoding="utf-8")


def _checked(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is no header name")
    return name
