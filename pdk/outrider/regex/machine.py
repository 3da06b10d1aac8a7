"""Runs a regular expression in a time that grows linearly: a path is downstream's, and may be made to take long."""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

from outrider.regex.nodes import Choice, Edge, Fold, Node, One, Repeat, Row, Wide

_WORD = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")


class _State(NamedTuple):
    """Where the machine goes: with a character that passes, or without one where an edge is, if it asks for any."""

    passes: Callable[[str], object] | None
    edge: str
    targets: tuple[int, ...]


class Machine:
    """The expression as states, of which several are current at once (Thompson's construction)."""

    def __init__(self, node: Node) -> None:
        self._states = [_State(None, "", ())]
        self._first = self._before(node, 0, folded=False)

    def matches(self, text: str, *, anywhere: bool = False) -> bool:
        """Whether a beginning of the text is described, or if `anywhere` any part of it."""
        current = self._closure([self._first], text, 0)
        for at, char in enumerate(text):
            if 0 in current or not (current or anywhere):
                break
            moved = [target for state in current for target in self._moved(state, char)]
            current = self._closure([*moved, self._first] if anywhere else moved, text, at + 1)
        return 0 in current

    def _moved(self, number: int, char: str) -> tuple[int, ...]:
        state = self._states[number]
        return state.targets if state.passes and state.passes(char) else ()

    def _closure(self, numbers: Iterable[int], text: str, at: int) -> set[int]:
        seen: set[int] = set()
        waiting = list(numbers)
        while waiting:
            number = waiting.pop()
            if number not in seen:
                seen.add(number)
                state = self._states[number]
                if state.passes is None and _holds(state.edge, text, at):
                    waiting.extend(state.targets)
        return seen

    def _before(self, node: Node, then: int, *, folded: bool) -> int:  # noqa: PLR0911 - one for each kind
        """Adds the states of a node that lead to `then`; gives the first of them."""
        match node:
            case One():
                return self._add(_State(_test(node.text, folded), "", (then,)))
            case Wide():
                return self._any([self._before(one, then, folded=folded) for one in (node.escapes, node.one)])
            case Edge():
                return self._add(_State(None, node.text, (then,)))
            case Row():
                for one in reversed(node.nodes):
                    then = self._before(one, then, folded=folded)
                return then
            case Choice():
                return self._any([self._before(one, then, folded=folded) for one in node.nodes])
            case Repeat():
                return self._repeated(node, then, folded=folded)
            case Fold():
                return self._before(node.node, then, folded=True)

    def _repeated(self, repeat: Repeat, then: int, *, folded: bool) -> int:
        if repeat.most is None:
            loop = self._any([])
            again = self._before(repeat.node, loop, folded=folded)
            self._states[loop] = _State(None, "", (again, then))
            then = loop
        else:
            after = then
            for _ in range(repeat.most - repeat.least):
                then = self._any([self._before(repeat.node, then, folded=folded), after])
        for _ in range(repeat.least):
            then = self._before(repeat.node, then, folded=folded)
        return then

    def _any(self, targets: list[int]) -> int:
        return self._add(_State(None, "", tuple(targets)))

    def _add(self, state: _State) -> int:
        self._states.append(state)
        return len(self._states) - 1


@lru_cache(maxsize=4096)
def _test(text: str, folded: bool) -> Callable[[str], object]:
    return re.compile(text, re.ASCII | (re.IGNORECASE if folded else 0)).fullmatch


def _holds(edge: str, text: str, at: int) -> bool:
    if edge in ("\\b", "\\B"):
        boundary = (text[at - 1 : at] in _WORD) != (text[at : at + 1] in _WORD)
        return boundary == (edge == "\\b")
    return edge == "" or at == (0 if edge == "^" else len(text))
