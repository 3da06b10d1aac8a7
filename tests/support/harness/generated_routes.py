"""Files of routes that get into each other's way, and requests that look for the gaps between them."""

import uuid
from itertools import product
from random import Random
from typing import Any
from urllib.parse import quote

from harness.reference_router import Ask, Route

PORT = 81
"""The port of the listener in the files."""
PATHS = ["/", "/a", "/a/", "/a/b", "/ab", "/a/b/c", "/b", "/a/B", "/é", "/a b", "/a%2Cb", "/a.b", "/a/b/"]
REGEXES = [
    "~/a",
    r"~/a/\d+$",
    "~/a/(?<one>b|c)",
    "~/(?i:A)/b",
    "~/[ab]+/",
    "~/.*c$",
    "~/é",
    "~/a/?b",
    r"~/a\.b",
    "~/.+b{2,3}",
    r"~/a\b",
]
HOSTS = ["x.test", "y.x.test", "*.x.test", "*.test", "x.*", "y.x.*", f"x.test:{PORT}", "x.test:82", "*.x.test:82"]
ASKED_HOSTS = ["x.test", "X.Test", "y.x.test", "z.y.x.test", "x.other", "y.x.other", "other.test", "h"]
ASKED_PATHS = [*PATHS, "/a/7", "/a/7/", "/a/c", "/A/b", "/abb", "/a/bb/c", "/c", "/éa", "/a c"]
VALUES: list[list[str]] = [["1"], ["1", "Two"], ["~*^b+"], ["two"]]
METHODS = ["GET", "POST", "PUT"]


def routes(random: Random, size: int) -> list[Route]:
    """Some routes, each with an identifier of its own; no two are for the same requests, which is a mistake."""
    found: list[Route] = []
    taken: set[tuple[Any, ...]] = set()
    while len(found) < size:
        route = _route(random, len(found))
        if taken.isdisjoint(_conditions(route)):
            taken.update(_conditions(route))
            found.append(route)
    return found


def _conditions(route: Route) -> set[tuple[Any, ...]]:
    others = str(sorted(route.get("headers", {}).items())), str(sorted(route.get("snis", [])))
    return set(product(*(route.get(name, [None]) for name in ("paths", "hosts", "methods")), [others]))


def _route(random: Random, number: int) -> Route:
    fields: dict[str, Any] = {
        "paths": _some(random, random.choice([PATHS, PATHS, REGEXES, PATHS + REGEXES]), 0.75, 3),
        "hosts": _some(random, HOSTS, 0.5, 2),
        "methods": _some(random, METHODS, 0.3, 2),
        "headers": {name: random.choice(VALUES) for name in _some(random, ["x-a", "x-b"], 0.3, 2)},
        "snis": _some(random, ["s.test", "*.s.test"], 0.1, 1),
        "regex_priority": random.choice([0, 0, 1, 2]),
    }
    if not any(fields[name] for name in ("paths", "hosts", "methods", "headers", "snis")):
        fields["paths"] = ["/"]
    name = {"name": f"r{number}", "id": str(uuid.UUID(int=random.getrandbits(128), version=4))}
    return name | {key: value for key, value in fields.items() if value}


def _some(random: Random, choices: list[str], chance: float, most: int) -> list[str]:
    if random.random() >= chance:
        return []
    return random.sample(choices, random.randint(1, most))


def ask(random: Random) -> Ask:
    """A request."""
    host = random.choice(ASKED_HOSTS) + random.choice(["", "", f":{PORT}", ":82"])
    values = ["1", "two", "Bb", "3"]
    headers = [
        (name, random.choice(values)) for name in ("x-a", "X-B") for _ in range(random.choice([0, 0, 1, 1, 2]))
    ]
    path = random.choice(ASKED_PATHS) + random.choice(["", "", "/", "x"])
    wire = quote(path.replace("//", "/"), safe="/%,.")
    return Ask(random.choice(METHODS), host, wire, headers)
