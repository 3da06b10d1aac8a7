"""Reads a regular expression, and refuses what Rust, RE2 and we would not read alike."""

import re

from outrider.plain_path import ON_THE_WIRE, RESERVED, escaped
from outrider.regex.nodes import Choice, Edge, Fold, Node, One, RegexError, Repeat, Row, Wide
from outrider.regex.wire import takes_escapes, wide

_GROUP = re.compile(r"\((?:\?:|\?P?<[A-Za-z_]\w*>|(?!\?))")
_FOLDED = re.compile(r"\(\?i([:)])")
_SET = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_REPEAT = re.compile(r"(?:([*+?])|\{(\d{1,9})(,?)(\d{0,9})\})(\??)")
_HEX = re.compile(r"\\x([0-9A-Fa-f]{2})")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_TIMES = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_CLASSES = frozenset("dDwWsStnrfv")
_MOST = 1000
_DEEPEST = 50


class Parser:
    """One expression; `is_path`: it is matched with a path, in which characters may be escaped."""

    def __init__(self, pattern: str, *, is_path: bool) -> None:
        self._pattern, self._is_path = pattern, is_path
        self._at, self._depth = 0, 0

    def parse(self) -> Node:
        """The whole of it. Raises `RegexError`."""
        node = self._choice()
        if self._at < len(self._pattern):
            raise RegexError("closes a group that is not open", r"write \) for the character")
        return node

    def _choice(self) -> Node:
        branches = [self._row()]
        while self._next("|"):
            if self._is_path and self._depth == 0:
                what = "has alternatives outside a group, and only the first would begin where the path begins"
                raise RegexError(what, "write ~/(?:one|other)")
            branches.append(self._row())
        return Choice(tuple(branches)) if len(branches) > 1 else branches[0]

    def _row(self) -> Node:
        nodes: list[Node] = []
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            nodes.append(self._repeated(self._one()))
        return Row(tuple(nodes))

    def _one(self) -> Node:
        if self._pattern[self._at] == "(":
            return self._group()
        if found := self._found(_SET):
            return self._class(_set(found[0]))
        if found := self._found(_HEX):
            return self._letter(chr(int(found[1], 16)))
        if self._is_path and (found := self._found(_ESCAPE)):
            return _escape(found[1])
        if self._next("\\"):
            return self._escaped()
        return self._unescaped()

    def _group(self) -> Node:
        folded = self._found(_FOLDED)
        if folded and not self._is_path:
            raise RegexError("has (?i), though any case matches already", "remove it")
        if folded and folded[1] == ")":
            if self._depth:
                raise RegexError("has (?i) inside a group", "write (?i:...) around what it is for")
            return Fold(self._choice())
        if not folded and not self._found(_GROUP):
            what = f"has {self._pattern[self._at : self._at + 4]}, which looks around or is otherwise beyond RE2"
            raise RegexError(what, "use groups, sets and repetitions only")
        return Fold(self._inside()) if folded else self._inside()

    def _inside(self) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise RegexError(f"has groups nested deeper than {_DEEPEST}", "make it simpler")
        node = self._choice()
        if not self._next(")"):
            raise RegexError("leaves a group open", r"close it, or write \( for the character")
        self._depth -= 1
        return node

    def _repeated(self, node: Node) -> Node:
        found = self._found(_REPEAT)
        if found is None:
            return node
        if isinstance(node, Edge) or self._pattern[self._at : self._at + 1] in tuple("*+?{"):
            raise RegexError(
                f"repeats a repetition or an edge with {found[0]}", "put a group around what is repeated"
            )
        least, most = _TIMES[found[1]] if found[1] else _counted(found)
        if max(least, most or 0) > _MOST or (most is not None and most < least):
            raise RegexError(f"has {found[0]}, which RE2 can't count", f"count up to {_MOST:,}")
        if most is None and isinstance(node, Wide) and takes_escapes(node.one):
            # Escapes are several characters more of the same.
            node = node.one
        return Repeat(node, least, most, found[0])

    def _escaped(self) -> Node:
        char = self._take()
        if char in "bB":
            return Edge("\\" + char)
        if char in _CLASSES:
            return self._class(One("\\" + char))
        if char.isdigit():
            raise RegexError(f"has \\{char}, which refers back to a group: RE2 can't", "write out what it repeats")
        if char.isalnum():
            raise RegexError(f"has \\{char}, which not everybody reads alike", "write the characters that are meant")
        return self._letter(char)

    def _unescaped(self) -> Node:
        char = self._take()
        if char in "^$":
            return Edge(char)
        if char in "*+?{":
            raise RegexError(f"has {char} with nothing to repeat", f"write \\{char} for the character")
        if char == "[":
            raise RegexError("leaves a set open", r"close it with ], or write \[ for the character")
        return self._class(One(".")) if char == "." else self._letter(char)

    def _class(self, one: One) -> Node:
        return wide(one) if self._is_path else one

    def _letter(self, char: str) -> Node:
        if self._is_path and char not in ON_THE_WIRE:
            return _row_of(escaped(char))
        if not " " <= char <= "~":
            raise RegexError("has a character that is not in ASCII", "write . for it")
        return One(re.escape(char), char)

    def _found(self, kind: re.Pattern[str]) -> re.Match[str] | None:
        found = kind.match(self._pattern, self._at)
        if found:
            self._at = found.end()
        return found

    def _next(self, char: str) -> bool:
        here = self._pattern.startswith(char, self._at)
        self._at += here
        return here

    def _take(self) -> str:
        if self._at == len(self._pattern):
            raise RegexError("ends with a backslash", r"write \\ for the character")
        self._at += 1
        return self._pattern[self._at - 1]


def _counted(found: re.Match[str]) -> tuple[int, int | None]:
    least = int(found[2])
    if not found[3]:
        return least, least
    return least, int(found[4]) if found[4] else None


def _set(text: str) -> One:
    inner = re.sub(
        r"\\(.)", lambda escape: "" if escape[1] in _CLASSES or not escape[1].isalnum() else "\n", text[1:-1]
    )
    if not re.fullmatch("[ -~]*", inner) or re.search(r"\[|&&|--|~~", inner):
        raise RegexError(
            f"has the set {text}, which not everybody reads alike", "name plain ASCII characters and ranges"
        )
    try:
        re.compile(text, re.ASCII)
    except re.error as error:
        raise RegexError(f"has the set {text}, which is none ({error.msg})", "write ranges as in [a-z]") from None
    return One(text)


def _escape(digits: str) -> Row:
    char = chr(int(digits, 16))
    if char == "/":
        raise RegexError("has an escaped slash, which the gateway refuses", "use plain slashes")
    if char not in RESERVED:
        raise RegexError(f"has %{digits}, and Kong compares what it stands for", "write the character itself")
    return _row_of(f"%{digits}")


def _row_of(escapes: str) -> Row:
    return Row(tuple(map(_either_case, escapes)))


def _either_case(char: str) -> One:
    return One(f"[{char.upper()}{char.lower()}]") if char.isalpha() else One(char, char)
