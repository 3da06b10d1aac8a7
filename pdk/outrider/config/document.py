"""YAML text as plain data that remembers the line of every key and value."""

import marshal
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import yaml

from outrider.config.mistake import ConfigError, Mistake, shown
from outrider.config.where import Place, where
from outrider.config.yaml_events import Events, tag_of

MAX_BYTES = 16 * 1024 * 1024
MAX_NODES = 1_000_000
MAX_DEPTH = 64
REFERENCE = "{vault://"
"""How a reference to a secret begins."""

_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Document:
    """A file's data, and the lines that its parts stand on."""

    file: str
    directory: Path
    """Where relative paths in the file begin."""
    data: Any
    lines: Mapping[Place, int] = field(repr=False)
    may_refer: bool = True
    """Whether any text in it may hold a reference to a secret."""

    def line(self, place: Place) -> int:
        """The line of a key or a list item; of something that is absent, the line of what should hold it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def mistake(self, place: Place, what: str, remedy: str) -> Mistake:
        """A mistake at that place of the file."""
        return Mistake(self.file, self.line(place), where(self.data, place), what, remedy)


def pack(document: Document, text: str) -> bytes:
    """The document in a form that another process of the same Python reads ten times as fast as its text."""
    return marshal.dumps((_digest(text), document.data, dict(document.lines), document.may_refer))


def unpack(packed: bytes, text: str, file: str, directory: Path) -> Document | None:
    """What `pack` made of that text, in a place that can be trusted; None if it was of another text, or is half."""
    try:
        digest, data, lines, may_refer = marshal.loads(packed)  # noqa: S302 - our own supervisor wrote it
    except (ValueError, EOFError, TypeError):
        return None
    if digest != _digest(text):
        return None
    return Document(file, directory, data, lines, may_refer=may_refer)


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def read(path: Path) -> Document:
    """Reads one YAML or JSON file; raises `ConfigError` if it is no plain data."""
    return parse(read_text(path), file=str(path), directory=path.resolve().parent)


def parse(text: str, file: str, directory: Path) -> Document:
    """The same for text that was read already."""
    builder = _Builder(Events(text), file)
    data = builder.document()
    if builder.mistakes:
        raise ConfigError(builder.mistakes)
    return Document(file, directory, data, builder.lines, may_refer=builder.may_refer)


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


class _Builder:
    """Turns the parser's events into data; aliases are written out, so their number and their depth are bounded."""

    def __init__(self, events: Events, file: str) -> None:
        self.file = file
        self.mistakes: list[Mistake] = []
        self.lines: dict[Place, int] = {}
        self.may_refer = False
        self._events = events
        self._nodes = 0

    def document(self) -> Any:
        """The only document of the text. Raises `ConfigError` if it is no YAML, or more than can be read."""
        try:
            return self._document()
        except yaml.reader.ReaderError as error:
            line = self._events.text.count("\n", 0, error.position) + 1
            what, remedy = "has a control character", "remove it, or escape it in double quotes"
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            what, remedy = f"is not YAML ({error.problem})", "mend the syntax at or before this line"
        raise _whole(self.file, line, what, remedy)

    def _document(self) -> Any:
        self._events.next()  # the stream begins
        if isinstance(self._events.next(), yaml.StreamEndEvent):
            raise _whole(self.file, 1, "is empty", 'begin it with _format_version: "3.0"')
        first = self._events.next()
        self.lines[()] = _line(first)
        data = self._value(first, (), 0)
        self._events.next()  # the document ends
        if not isinstance(event := self._events.next(), yaml.StreamEndEvent):
            raise _whole(self.file, _line(event), "holds several documents", "keep one, remove the line ---")
        return data

    def _value(self, event: yaml.Event, place: Place, depth: int) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            raise self._endless(_line(event))
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, place)
        if isinstance(event, yaml.MappingStartEvent) and event.tag in (None, "!", f"{_TAG}map"):
            return {inner[-1]: self._value(value, inner, depth + 1) for inner, value in self._pairs(place)}
        if isinstance(event, yaml.SequenceStartEvent) and event.tag in (None, "!", f"{_TAG}seq"):
            return [self._value(item, inner, depth + 1) for inner, item in self._items(place)]
        self._events.skip(event)
        return self._unknown(event, place)

    def _endless(self, line: int) -> ConfigError:
        if self._events.has_aliases:
            return _whole(self.file, line, "grows without bound through its aliases", "write the values out")
        if self._nodes > MAX_NODES:
            return _whole(self.file, line, f"has more than {MAX_NODES:,} values", "split it over several gateways")
        return _whole(self.file, line, f"is nested deeper than {MAX_DEPTH} levels", "flatten it")

    def _items(self, place: Place) -> Iterator[tuple[Place, yaml.Event]]:
        index = 0
        while not isinstance(item := self._events.next(), yaml.SequenceEndEvent):
            inner = (*place, index)
            self.lines[inner] = _line(item)
            yield inner, item
            index += 1

    def _pairs(self, place: Place) -> Iterator[tuple[Place, yaml.Event]]:
        seen: dict[str, int] = {}
        while not isinstance(key := self._events.next(), yaml.MappingEndEvent):
            name = self._key(key, place, seen)
            value = self._events.next()
            if name is None:
                self._events.skip(value)
            else:
                inner = (*place, name)
                seen[name] = self.lines[inner] = _line(key)
                yield inner, value

    def _key(self, key: yaml.Event, place: Place, seen: Mapping[str, int]) -> str | None:
        if not isinstance(key, yaml.ScalarEvent):
            self._events.skip(key)
            self._add(key, place, "has a list or a mapping as a key", "use plain text as the key")
        elif (tag := tag_of(key)) == f"{_TAG}merge":
            self._add(key, place, "has a merge key (<<)", "write the fields out")
        elif tag != f"{_TAG}str":
            self._add(key, place, f"has the key {shown(key.value)}, which is not text", "put it in quotes")
        elif key.value in seen:
            what = f"has the key {shown(key.value)} twice, first in line {seen[key.value]}"
            self._add(key, place, what, "remove one")
        else:
            return str(key.value)
        return None

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> Any:
        tag = tag_of(event)
        if tag in _TEXT:
            self.may_refer |= REFERENCE in event.value
            return event.value
        if tag not in _SCALARS:
            return self._unknown(event, place)
        try:
            value = _SCALARS[tag](yaml.ScalarNode(tag, event.value))
        except (ValueError, LookupError):
            value = math.nan
        if isinstance(value, float) and not math.isfinite(value):
            what = f"{shown(event.value)} is no number that JSON has"
            self._add(event, place, what, "write a finite number, or put the text in quotes")
        return value

    def _unknown(self, event: yaml.Event, place: Place) -> None:
        tag = str(cast("yaml.ScalarEvent", event).tag)
        self._add(event, place, f"has the unknown tag {shown(tag.removeprefix(_TAG))}", "remove the tag")

    def _add(self, event: yaml.Event, place: Place, what: str, remedy: str) -> None:
        self.mistakes.append(Mistake(self.file, _line(event), where(None, place), what, remedy))


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


_PLAIN = yaml.constructor.SafeConstructor()
# A date is text here, as it is in JSON.
_TEXT = frozenset({f"{_TAG}str", f"{_TAG}value", f"{_TAG}timestamp"})
_SCALARS: Mapping[str, Callable[[yaml.ScalarNode], Any]] = {
    f"{_TAG}null": _PLAIN.construct_yaml_null,
    f"{_TAG}bool": _PLAIN.construct_yaml_bool,
    f"{_TAG}int": _PLAIN.construct_yaml_int,
    f"{_TAG}float": _PLAIN.construct_yaml_float,
}
