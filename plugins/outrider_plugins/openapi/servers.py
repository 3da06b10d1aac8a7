"""The paths of an API's servers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any
from urllib.parse import urlsplit

_VARIABLE = re.compile(r"\{([^{}]+)\}")
_MOST = 100


def base_paths(servers: Sequence[Mapping[str, Any]]) -> list[str]:
    """What stands before the paths of these servers, with every value that a variable may have; each once."""
    return list(dict.fromkeys(path for server in servers for path in islice(_paths(server), _MOST)))


def _paths(server: Mapping[str, Any]) -> Iterator[str]:
    template: str = server["url"]
    variables: Mapping[str, Any] = server.get("variables", {})
    names = list(dict.fromkeys(_VARIABLE.findall(template)))
    choices = [_values(variables.get(name, {})) for name in names]
    for chosen in product(*choices):
        url = template
        for name, value in zip(names, chosen, strict=True):
            url = url.replace(f"{{{name}}}", value)
        yield urlsplit(url).path.rstrip("/")


def _values(variable: Mapping[str, Any]) -> list[str]:
    return variable.get("enum") or [variable.get("default", "")]
