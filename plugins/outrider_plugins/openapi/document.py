"""An OpenAPI document as it stands in a file, and the references within it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import yaml

from outrider_plugins.openapi.yaml_text import parse_yaml
from outrider_plugins.strict_json import is_list, is_object

MAX_BYTES = 16 * 1024 * 1024
_LONGEST_CHAIN = 50
_VERSIONS = ("3.0", "3.1")

Node = Mapping[str, Any]


class SpecError(ValueError):
    """Something in the document that nothing can be checked by; `place` is a JSON pointer into it."""

    def __init__(self, place: str, what: str) -> None:
        super().__init__(f"{place} {what}")


class Found(NamedTuple):
    """A part of the document, and its place: a URI fragment with a JSON pointer (RFC 6901, section 6)."""

    node: Any
    place: str


class Document:
    """The data of an OpenAPI document of `version` 3.0 or 3.1."""

    def __init__(self, data: Node) -> None:
        self.data = data
        self.version = _version(data)

    def follow(self, node: Any, place: str) -> Found:
        """The part itself, or what its `$ref` leads to. Raises `SpecError` where that is not in the document."""
        for _ in range(_LONGEST_CHAIN):
            if not is_object(node) or "$ref" not in node:
                return Found(node, place)
            node, place = self.at(node["$ref"], place)
        raise SpecError(place, "is a chain of references without an end")

    def at(self, reference: object, place: str) -> Found:
        """What a reference at `place` leads to. Other hosts and files are never asked."""
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            raise SpecError(place, "has a $ref that leaves the document: put what it stands for into it")
        node: Any = self.data
        for step in reference.removeprefix("#").split("/")[1:]:
            node = _inside(node, unquote(step).replace("~1", "/").replace("~0", "~"))
            if node is None:
                raise SpecError(place, f"has the $ref {reference}, which the document does not have")
        return Found(node, reference)


def below(place: str, *steps: str | int) -> str:
    """The place of a part within the part at `place`."""
    return "/".join([place, *(str(step).replace("~", "~0").replace("/", "~1") for step in steps)])


def read(path: Path) -> bytes:
    """The bytes of a document. Raises `ValueError`."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"can't be read ({error.strerror}): paths begin at the file that names them") from None
    if len(raw) > MAX_BYTES:
        raise ValueError("is larger than 16 MiB: split the API over several documents")
    return raw


def parse(raw: bytes) -> Document:
    """The document that JSON or YAML text holds. Raises `ValueError`."""
    try:
        text = raw.decode("utf-8-sig")
        data: Any = json.loads(text) if text.lstrip().startswith("{") else parse_yaml(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = "" if line is None else f" in line {line + 1}"
        raise ValueError(f"is neither JSON nor YAML{where}: mend its syntax") from None
    if not is_object(data):
        raise ValueError("is no OpenAPI document: begin it with openapi: 3.1.0")
    return Document(data)


def _version(data: Node) -> str:
    version = data.get("openapi")
    found = ".".join(version.split(".")[:2]) if isinstance(version, str) else ""
    if found not in _VERSIONS:
        raise ValueError("is no OpenAPI document of version 3.0 or 3.1: convert it, and begin it with openapi: 3.1.0")
    return found


def _inside(node: Any, step: str) -> Any:
    if is_object(node):
        return node.get(step)
    if is_list(node) and step.isascii() and step.isdigit() and len(step) < 10:
        return node[int(step)] if int(step) < len(node) else None
    return None
