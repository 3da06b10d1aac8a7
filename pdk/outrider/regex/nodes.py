"""What a regular expression is made of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce


class RegexError(ValueError):
    """A regular expression that not everybody reads alike: what is wrong, and what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}: {remedy}")
        self.what, self.remedy = what, remedy


@dataclass(frozen=True, slots=True)
class One:
    """One character: a letter of its own, a class, a set."""

    text: str
    letter: str = ""
    """The one character that it is; empty for a choice of several."""


@dataclass(frozen=True, slots=True)
class Wide:
    """One character of a path, which may be escaped there: `%22`, or `%C3%A9` for one beyond ASCII."""

    one: One
    escapes: "Node"


@dataclass(frozen=True, slots=True)
class Edge:
    """A place between characters: `^`, `$`, a word's boundary."""

    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One after the other."""

    nodes: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several."""

    nodes: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Repeat:
    """Something a number of times; `most` None: as often as it comes."""

    node: "Node"
    least: int
    most: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Fold:
    """Something in upper or in lower case."""

    node: "Node"


Node = One | Wide | Edge | Row | Choice | Repeat | Fold


_NO_EDGES: Mapping[str, str] = {}


def text_of(node: Node, edges: Mapping[str, str] = _NO_EDGES) -> str:  # noqa: PLR0911 - one for each kind
    """The expression, without captures, and with other texts for some edges."""
    match node:
        case One():
            return node.text
        case Wide():
            return f"(?:{text_of(node.escapes)}|{node.one.text})"
        case Edge():
            return edges.get(node.text, node.text)
        case Row():
            texts = ((one, text_of(one, edges)) for one in node.nodes)
            return "".join(f"(?:{text})" if isinstance(one, Choice) else text for one, text in texts)
        case Choice():
            return "|".join(text_of(one, edges) for one in node.nodes)
        case Repeat():
            inner = text_of(node.node, edges)
            return (inner if isinstance(node.node, One | Wide) else f"(?:{inner})") + node.text
        case Fold():
            return f"(?i:{text_of(node.node, edges)})"


def literal_of(node: Node) -> str:
    """What everything that it matches begins with."""
    return reduce(lambda found, one: found + one, _letters(node), "")


def _letters(node: Node) -> Iterator[str]:
    for one in node.nodes if isinstance(node, Row) else (node,):
        if not isinstance(one, One) or not one.letter:
            return
        yield one.letter


def is_greedy(node: Node) -> bool:
    """Whether it has neither alternatives nor lazy repetitions, so that it takes as much as it can."""
    match node:
        case One() | Wide() | Edge():
            return True
        case Row():
            return all(map(is_greedy, node.nodes))
        case Choice():
            return False
        case Repeat():
            return not node.text.endswith("?") or node.text == "?" if is_greedy(node.node) else False
        case Fold():
            return is_greedy(node.node)


def size_of(node: Node) -> int:
    """How many characters and places it names, each as often as it is repeated at most."""
    match node:
        case One() | Wide() | Edge():
            return 1
        case Row() | Choice():
            return 1 + sum(map(size_of, node.nodes))
        case Repeat():
            return size_of(node.node) * max(node.most or 0, node.least, 1) + 1
        case Fold():
            return size_of(node.node)
