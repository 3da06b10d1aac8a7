"""What a compiled expression speaks of: only that is made for each request."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

# Fields of cel.expr.CheckedExpr, and of the kinds of cel.expr.Expr (cel-spec, checked.proto and syntax.proto).
_ANY_VALUE, _CHECKED_EXPR = 2, 4
_CONST, _IDENT, _SELECT, _CALL, _LIST, _STRUCT, _COMPREHENSION = range(3, 10)
_CONST_STRING, _IDENT_NAME, _SELECT_FIELD, _CALL_FUNCTION = 6, 1, 2, 2
_ENTRY = 2
_OPERANDS: Mapping[int, tuple[int, ...]] = {
    _SELECT: (1,),
    _CALL: (1, 3),  # the target and the arguments
    _LIST: (1,),
    _COMPREHENSION: (2, 4, 5, 6, 7),  # where it begins, what it loops over, when it goes on, a step, the result
}
_ENTRY_OPERANDS = (3, 4)  # a key and its value


class Mentions(NamedTuple):
    """The variables of an expression, each with the members that it names; None where it may look at all of them.

    `patterns` are the regular expressions that stand in it, `functions` the names of those it calls.
    """

    variables: Mapping[str, frozenset[str] | None]
    patterns: tuple[str, ...]
    functions: frozenset[str]


class _Message:
    """A message of the wire format of Protocol Buffers, as far as it is asked."""

    def __init__(self, data: bytes) -> None:
        self.fields: dict[int, list[bytes]] = {}
        for number, value in _fields(data):
            self.fields.setdefault(number, []).append(value)

    def all(self, *numbers: int) -> "list[_Message]":
        """The messages in these fields."""
        return [_Message(data) for number in numbers for data in self.fields.get(number, ())]

    def one(self, number: int) -> "_Message":
        return _Message(self.fields.get(number, [b""])[-1])

    def text(self, number: int) -> str | None:
        return self.fields[number][-1].decode() if number in self.fields else None


def mentions(serialized: bytes) -> Mentions:
    """Reads a checked expression as the library writes it, a `google.protobuf.Any`.

    The name of a variable of a comprehension counts too: that is more than is needed, never less.
    """
    variables: dict[str, frozenset[str] | None] = {}
    patterns: list[str] = []
    functions: set[str] = set()
    nodes = _Message(serialized).one(_ANY_VALUE).all(_CHECKED_EXPR)
    while nodes:
        node = nodes.pop()
        if function := node.one(_CALL).text(_CALL_FUNCTION):
            functions.add(function)
        if name := node.one(_IDENT).text(_IDENT_NAME):
            variables[name] = None
        elif (found := _member(node)) is None:
            patterns.extend(_pattern(node))
            nodes.extend(_operands(node))
        elif (known := variables.get(found[0], frozenset())) is not None:
            variables[found[0]] = known | {found[1]}
    return Mentions(variables, tuple(patterns), frozenset(functions))


def _member(node: _Message) -> tuple[str, str] | None:
    """Variable and member in `variable.member`, `variable['member']` and `'member' in variable`."""
    operands = _operands(node)
    if (member := node.one(_SELECT).text(_SELECT_FIELD)) is None:
        function = node.one(_CALL).text(_CALL_FUNCTION)
        if function not in ("_[_]", "@in"):
            return None
        member = _constant(operands.pop(1 if function == "_[_]" else 0))
    name = operands[0].one(_IDENT).text(_IDENT_NAME)
    return None if name is None or member is None else (name, member)


def _pattern(node: _Message) -> Iterator[str]:
    if node.one(_CALL).text(_CALL_FUNCTION) == "matches" and (found := _constant(_operands(node)[-1])) is not None:
        yield found


def _constant(node: _Message) -> str | None:
    return node.one(_CONST).text(_CONST_STRING)


def _operands(node: _Message) -> list[_Message]:
    operands = [one for kind, numbers in _OPERANDS.items() for one in node.one(kind).all(*numbers)]
    return operands + [one for entry in node.one(_STRUCT).all(_ENTRY) for one in entry.all(*_ENTRY_OPERANDS)]


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields that hold text or messages; numbers are passed over."""
    at = 0
    while at < len(data):
        key, at = _number(data, at)
        kind, length = key & 7, 0
        if kind in (0, 2):
            length, at = _number(data, at)
        elif kind == 1:
            at += 8
        else:
            at += 4
        if kind == 2:
            yield key >> 3, data[at : at + length]
            at += length


def _number(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at
