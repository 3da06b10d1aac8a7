"""One thing to mend in a configuration file, and the error that carries all of them."""

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from outrider.errors import OutriderError


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """Says which file and line, which part of the configuration, what is wrong with it, and what to do."""

    file: str
    line: int
    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.where}: {self.what}: {self.remedy}"


class ConfigError(OutriderError):
    """The file is wrong. `mistakes` has every mistake, in the order of the lines; the text has one a line."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(set(mistakes)))
        super().__init__("\n".join(map(str, self.mistakes)))


def kind_of(value: object) -> str:
    """What a value is, where the value itself may be a secret."""
    kinds: dict[type, str] = {dict: "a mapping", list: "a list", str: "text", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")


def shown(value: object, limit: int = 60) -> str:
    """A scalar as it stands in the file, on one line and shortened; of lists and mappings only the kind."""
    if isinstance(value, list | dict):
        return kind_of(cast("object", value))
    text = json.dumps(value, ensure_ascii=False, default=str)
    if not text.isprintable():
        text = json.dumps(value, default=str)
    return text if len(text) <= limit else f"{text[:limit]}..."


def closest(name: str, known: Iterable[str], what: str) -> str:
    """A remedy for a name that nobody knows: the name that was probably meant, or the list of all."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, 1)
    if near:
        return f"did you mean {shown(near[0])}?"
    if not names:
        return "there are none in the file"
    return f"{what} {', '.join(names[:20])}{' and others' if len(names) > 20 else ''}"
