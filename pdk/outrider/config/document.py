"""YAML text as plain data that remembers the line of every key and value."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from outrider.config.mistake import ConfigError, Mistake, shown
from outrider.config.where import Place, where

MAX_BYTES = 16 * 1024 * 1024
MAX_NODES = 1_000_000
MAX_DEPTH = 64

Loader = cast("type[yaml.SafeLoader]", getattr(yaml, "CSafeLoader", yaml.SafeLoader))
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Document:
    """A file's data, and the lines that its parts stand on."""

    file: str
    directory: Path
    """Where relative paths in the file begin."""
    data: Any
    lines: Mapping[Place, int] = field(repr=False)

    def line(self, place: Place) -> int:
        """The line of a key or a list item; of something that is absent, the line of what should hold it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def mistake(self, place: Place, what: str, remedy: str) -> Mistake:
        """A mistake at that place of the file."""
        return Mistake(self.file, self.line(place), where(self.data, place), what, remedy)


def read(path: Path) -> Document:
    """Reads one YAML or JSON file; raises `ConfigError` if it is no plain data."""
    return parse(read_text(path), file=str(path), directory=path.resolve().parent)


def parse(text: str, file: str, directory: Path) -> Document:
    """The same for text that was read already."""
    root = _compose(text, file)
    builder = _Builder(file)
    data = builder.build(root, (), 0)
    if builder.mistakes:
        raise ConfigError(builder.mistakes)
    return Document(file, directory, data, builder.lines)


def read_text(path: Path) -> str:
    """The text of a file; raises `ConfigError` if it can't be read, is too large, or no UTF-8."""
    file = str(path)
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise _whole(file, 1, f"can't be read ({error.strerror})", "give the path of a readable file") from None
    if len(raw) > MAX_BYTES:
        raise _whole(file, 1, "is larger than 16 MiB", "split it over several gateways")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _whole(file, line, "is not UTF-8", "save it as UTF-8") from None


def _whole(file: str, line: int, what: str, remedy: str) -> ConfigError:
    return ConfigError([Mistake(file, line, "file", what, remedy)])


def _compose(text: str, file: str) -> yaml.Node:
    try:
        _check_shape(text, file)
        root = yaml.compose(text, Loader=Loader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _whole(file, line, "has a control character", "remove it, or escape it in double quotes") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise _whole(file, line, f"is not YAML ({error.problem})", "mend the syntax at or before this line") from None
    if root is None:
        raise _whole(file, 1, "is empty", 'begin it with _format_version: "3.0"')
    return root


def _check_shape(text: str, file: str) -> None:
    # libyaml's composer recurses on the C stack: deep nesting has to be found before it runs
    depth = documents = 0
    for event in yaml.parse(text, Loader=Loader):
        line = _line(event)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _whole(file, line, "holds several documents", "keep one, remove the line ---")
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _whole(file, line, f"is nested deeper than {MAX_DEPTH} levels", "flatten it")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Builder:
    """Turns nodes into data; aliases are written out, so their number and their depth are bounded."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.mistakes: list[Mistake] = []
        self.lines: dict[Place, int] = {}
        self._nodes = 0

    def build(self, node: yaml.Node, place: Place, depth: int) -> Any:
        line = _line(node)
        self.lines.setdefault(place, line)
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            raise _whole(self.file, line, "grows without bound through its aliases", "write the values out")
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return {key: self.build(value, (*place, key), depth + 1) for key, value in self._pairs(node, place)}
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.build(item, (*place, index), depth + 1) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            return self._scalar(node, place)
        self._add(node, place, f"has the unknown tag {shown(node.tag.removeprefix(_TAG))}", "remove the tag")
        return None

    def _pairs(self, node: yaml.MappingNode, place: Place) -> Iterator[tuple[str, yaml.Node]]:
        seen: dict[str, int] = {}
        for key, value in cast("Sequence[tuple[yaml.Node, yaml.Node]]", node.value):
            if not isinstance(key, yaml.ScalarNode):
                self._add(key, place, "has a list or a mapping as a key", "use plain text as the key")
            elif key.tag == f"{_TAG}merge":
                self._add(key, place, "has a merge key (<<)", "write the fields out")
            elif key.tag != f"{_TAG}str":
                self._add(key, place, f"has the key {shown(key.value)}, which is not text", "put it in quotes")
            elif key.value in seen:
                what = f"has the key {shown(key.value)} twice, first in line {seen[key.value]}"
                self._add(key, place, what, "remove one")
            else:
                seen[key.value] = self.lines[*place, key.value] = _line(key)
                yield key.value, value

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> Any:
        try:
            value = _SCALARS[node.tag](node)
        except (ValueError, LookupError):
            value = math.nan
        if isinstance(value, float) and not math.isfinite(value):
            what = f"{shown(node.value)} is no number that JSON has"
            self._add(node, place, what, "write a finite number, or put the text in quotes")
        return value

    def _add(self, node: yaml.Node, place: Place, what: str, remedy: str) -> None:
        self.mistakes.append(Mistake(self.file, _line(node), where(None, place), what, remedy))


def _line(node: yaml.Node | yaml.Event) -> int:
    return node.start_mark.line + 1 if node.start_mark else 1


_PLAIN = yaml.constructor.SafeConstructor()


def _as_text(node: yaml.ScalarNode) -> str:
    return cast("str", node.value)


_SCALARS: Mapping[str, Callable[[yaml.ScalarNode], Any]] = {
    f"{_TAG}str": _as_text,
    f"{_TAG}value": _as_text,
    f"{_TAG}timestamp": _as_text,  # a date is text here, as it is in JSON
    f"{_TAG}null": _PLAIN.construct_yaml_null,
    f"{_TAG}bool": _PLAIN.construct_yaml_bool,
    f"{_TAG}int": _PLAIN.construct_yaml_int,
    f"{_TAG}float": _PLAIN.construct_yaml_float,
}
