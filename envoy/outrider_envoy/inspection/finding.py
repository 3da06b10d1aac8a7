"""What a look at a running Envoy found."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Word:
    """What a rule says: what is wrong and what to do. A `mistake` lets requests pass, or plugins not work."""

    what: str
    remedy: str
    mistake: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule's word, and where in the Envoy it was found."""

    where: str
    word: Word
    rule: str
    """The name of the rule: as in `cluster_rules.panic`."""

    def __str__(self) -> str:
        warning = "" if self.word.mistake else "warning: "
        return f"{self.where}: {warning}{self.word.what}: {self.word.remedy}"


Words = Iterator[Word]
Rule = Callable[[T], Words]
"""Looks at one thing of an Envoy's, and says what is wrong with it."""


def mistake(what: str, remedy: str) -> Word:
    return Word(what, remedy)


def warning(what: str, remedy: str) -> Word:
    return Word(what, remedy, mistake=False)


def judged(where: str, thing: T, rules: Iterable[Rule[T]]) -> Iterator[Finding]:
    """What the rules say of it."""
    return (Finding(where, word, name_of(rule)) for rule in rules for word in rule(thing))


def name_of(rule: Rule[T]) -> str:
    return f"{rule.__module__.rpartition('.')[2]}.{rule.__name__}"
