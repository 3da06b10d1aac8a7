"""A condition: a compiled expression, and what it is told of a request."""

import re
from collections.abc import Iterable
from functools import lru_cache

from outrider import Request
from outrider.needs import Fact
from outrider_plugins.policies.language import TYPES, is_pattern, program
from outrider_plugins.policies.mentions import mentions
from outrider_plugins.policies.vocabulary import FACTS, UnfitError, reader

_CODE = re.compile(r"[A-Z_]{1,30}(?=:)")
_KINDS = {
    "NOT_FOUND": "it looks for what is not there",
    "INVALID_ARGUMENT": "a value is of another kind than it takes",
    "OUT_OF_RANGE": "a number or an index is out of range",
    "INTERNAL": "it takes more steps than it may",
}


class UndecidedError(Exception):
    """An expression that came to neither true nor false. The text says nothing of values."""


class Condition:
    """An expression that holds for a request or not. Raises `ValueError` for one that can't be compiled."""

    def __init__(self, source: str) -> None:
        self._program = program(source)
        mentioned = mentions(self._program.serialize())
        known = {name: members for name, members in mentioned.variables.items() if name in TYPES}
        _check_headers(known.get("request.headers") or ())
        _check_patterns(mentioned.patterns)
        _check_functions(mentioned.functions)
        self._reads = [(name, reader(name, members)) for name, members in known.items()]
        self.facts: frozenset[Fact] = frozenset(FACTS[name] for name in known if name in FACTS)
        """The facts of a request that it speaks of."""
        self._program.eval(None, {})  # The first time is dear.

    def holds(self, request: Request) -> bool:
        """Whether it is true of a request. Raises `UndecidedError`."""
        try:
            found = self._program.eval(None, {name: read(request) for name, read in self._reads}).value()
        except UnfitError:
            raise UndecidedError("it speaks of a value that CEL can't hold") from None
        except Exception as error:  # noqa: BLE001  # whatever the library raises, it has not said yes
            raise UndecidedError(_kind(str(error))) from None
        if found is True or found is False:
            return found
        raise UndecidedError(_kind(str(found)))


@lru_cache(maxsize=1024)
def condition(source: str) -> Condition:
    """The condition of that source, compiled once for all plugins that have it."""
    return Condition(source)


def _kind(error: str) -> str:
    found = _CODE.match(error)
    return _KINDS.get(found[0] if found else "", "it comes to neither true nor false")


def _check_headers(names: Iterable[str]) -> None:
    for name in names:
        if name == "host":
            raise ValueError("request.headers has no host: write request.host")
        if name != name.lower():
            raise ValueError(f"request.headers has its names in lower case: write {name.lower()!r} for {name!r}")


def _check_functions(names: Iterable[str]) -> None:
    if "replace" in names:
        raise ValueError("calls replace, which makes texts of any length out of what strangers send: compare parts")


def _check_patterns(patterns: Iterable[str]) -> None:
    for pattern in patterns:
        if not is_pattern(pattern):
            raise ValueError(f"{pattern!r} is no regular expression in the syntax of RE2")
