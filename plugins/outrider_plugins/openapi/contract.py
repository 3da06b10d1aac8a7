"""An OpenAPI document, compiled: the operation of a request, or why there is none."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from outrider_plugins.openapi.compiling import Compiler
from outrider_plugins.openapi.document import Document, SpecError, below, parse, read
from outrider_plugins.openapi.metaschema import mistakes
from outrider_plugins.openapi.operations import Operation
from outrider_plugins.openapi.path_templates import PathTemplates
from outrider_plugins.openapi.servers import base_paths

_MOST = 5
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class Found(NamedTuple):
    """The operation of a request, and the raw texts of its path's parameters by name."""

    operation: Operation
    values: Mapping[str, str]


class NotFound(NamedTuple):
    """The methods that the path has; none if there is no such path."""

    allowed: tuple[str, ...]


class Contract:
    """What an API takes and answers."""

    def __init__(self, paths: PathTemplates[Mapping[str, Operation]]) -> None:
        self._paths = paths

    def find(self, method: str, path: str) -> Found | NotFound:
        """The operation of a method and the normal form of a path. HEAD is GET's where it has none of its own."""
        match = self._paths.find(path)
        if match is None:
            return NotFound(())
        operations = match.target
        operation = operations.get(method) or (operations.get("GET") if method == "HEAD" else None)
        if operation is not None:
            return Found(operation, match.values)
        head = ["HEAD"] if "GET" in operations else []
        return NotFound(tuple(sorted({*operations, *head})))


def compile_contract(spec: Path, base_path: str | None, *, responses: bool) -> Contract:
    """The contract in a document.

    `base_path` stands before all paths; None for those of the document's servers. Raises `ValueError` with the first
    mistakes, each with its place.
    """
    try:
        return _compiled(read(spec), base_path, responses=responses)
    except ValueError as error:
        raise ValueError(f"{spec} {error}") from None


@lru_cache(maxsize=8)
def _compiled(raw: bytes, base_path: str | None, *, responses: bool) -> Contract:
    document = parse(raw)
    if wrong := list(mistakes(document)):
        raise _told(wrong)
    return _Building(document, base_path, responses=responses).contract()


class _Building:
    def __init__(self, document: Document, base_path: str | None, *, responses: bool) -> None:
        self._document = document
        self._base_path = base_path
        self._wrong: list[SpecError] = []
        try:
            self._compiler = Compiler(document, self._wrong, responses=responses)
        except SpecError as error:
            raise _told([error]) from None

    def contract(self) -> Contract:
        operations: dict[str, dict[str, Operation]] = {}
        places: dict[str, str] = {}
        for template, item in self._document.data.get("paths", {}).items():
            if template.startswith("/"):
                place = below("#/paths", template)
                for full, method, operation in self._operations(template, item, place):
                    operations.setdefault(full, {})[method] = operation
                    places[full] = place
        paths: PathTemplates[Mapping[str, Operation]] = PathTemplates()
        for full, methods in operations.items():
            try:
                paths.add(full, methods)
            except ValueError as error:
                self._wrong.append(SpecError(places[full], str(error)))
        self._wrong += [] if self._wrong else self._compiler.finish()
        if self._wrong:
            raise _told(self._wrong)
        return Contract(paths)

    def _operations(self, template: str, item: Any, place: str) -> list[tuple[str, str, Operation]]:
        try:
            node, place = self._document.follow(item, place)
        except SpecError as error:
            self._wrong.append(error)
            return []
        found: list[tuple[str, str, Operation]] = []
        for method in _METHODS:
            if method in node:
                operation = self._compiler.operation(method.upper(), template, node, place)
                found += [(base + template, method.upper(), operation) for base in self._bases(node, node[method])]
        return found

    def _bases(self, *nodes: Mapping[str, Any]) -> list[str]:
        """What stands before the path: the nearest servers say it."""
        if self._base_path is not None:
            return [self._base_path.rstrip("/")]
        told = [node["servers"] for node in (self._document.data, *nodes) if node.get("servers")]
        return base_paths(told[-1]) if told else [""]


def _told(wrong: list[SpecError]) -> ValueError:
    texts = list(dict.fromkeys(map(str, wrong)))
    more = f" (and {len(texts) - _MOST} more)" if len(texts) > _MOST else ""
    return ValueError(f"is no document to check by, at {'; at '.join(texts[:_MOST])}{more}: mend it there")
