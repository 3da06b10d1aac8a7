"""Finds plugins: those that are installed, and those in folders of plain files."""

import importlib.util
import inspect
import linecache
import sys
import traceback
from collections import ChainMap
from collections.abc import Iterator, Mapping
from importlib.machinery import SourceFileLoader
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import cast

from outrider.errors import PluginError
from outrider.plugin import Plugin, is_abstract, plugin_name

GROUP = "outrider.plugins"
"""The entry-point group that a package names its plugins in; the bundled ones use it too."""


def installed() -> Mapping[str, type[Plugin]]:
    """Every installed plugin by name, in the order of the names.

    One is imported when it is first asked for, which raises `PluginError` if it can't be.
    """
    return _Installed()


class _Installed(Mapping[str, type[Plugin]]):
    """A process needs few of the plugins, and to import all takes as long as all else that it does to start."""

    def __init__(self) -> None:
        self._entries = {entry.name: entry for entry in entry_points(group=GROUP)}

    def __getitem__(self, name: str) -> type[Plugin]:
        return _loaded(self._entries[name])

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)


def _loaded(entry: EntryPoint) -> type[Plugin]:
    try:
        cls = entry.load()
    except Exception as error:
        raise PluginError(f"the plugin {entry.name} of {entry.value} can't be imported: {error}") from error
    if not (inspect.isclass(cls) and issubclass(cls, Plugin)):
        raise PluginError(f"the plugin {entry.name} is {entry.value}, which is no Plugin class")
    return cls


def together(*places: Mapping[str, type[Plugin]]) -> Mapping[str, type[Plugin]]:
    """The plugins of several places by name; where two have one name, that of the first place."""
    # Its type asks for dicts, as it writes into the first; nobody writes here.
    return ChainMap(*(cast("dict[str, type[Plugin]]", place) for place in places))


def in_folder(folder: Path) -> dict[str, type[Plugin]]:
    """The plugins in the .py files of a folder, named after their classes (AddHeader: add-header).

    Raises `PluginError`, with file and line, for a file that can't be imported.
    """
    return in_texts(texts(folder))


def texts(folder: Path) -> dict[Path, bytes]:
    """The .py files of a folder that are looked at for plugins. Raises `PluginError` for one that can't be read."""
    found: dict[Path, bytes] = {}
    for file in sorted(folder.glob("*.py")):
        # Editors keep hidden files of theirs beside the one that is open.
        if file.name.startswith(("_", ".")):
            continue
        try:
            found[file] = file.read_bytes()
        except OSError as error:
            raise PluginError(f"{file} can't be read ({error.strerror}): make it readable") from error
    return found


def in_texts(files: Mapping[Path, bytes]) -> dict[str, type[Plugin]]:
    """The plugins in files that were read already; each file is imported anew. Raises `PluginError` likewise."""
    found: dict[str, type[Plugin]] = {}
    for file, text in files.items():
        for cls in _classes(_module(file, text)):
            if found.setdefault(plugin_name(cls), cls) is not cls:
                raise PluginError(f"{file}: a second plugin called {plugin_name(cls)}: give its class another name")
    return found


class _Loader(SourceFileLoader):
    """Imports a file as it was when it was read, whatever is in its place now."""

    def __init__(self, name: str, file: Path, text: bytes) -> None:
        super().__init__(name, str(file))
        self._text = text

    def get_data(self, path: object) -> bytes:  # noqa: ARG002 - the base's name
        return self._text

    def path_stats(self, path: object) -> Mapping[str, object]:  # noqa: ARG002 - the base's name
        # So no compiled file is used: its age counts in whole seconds, and an edit is sooner done.
        raise OSError


def _module(file: Path, text: bytes) -> ModuleType:
    name = f"outrider_plugin_dir.{file.parent.name}.{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file, loader=_Loader(name, file, text))
    if spec is None or spec.loader is None:
        raise PluginError(f"{file} can't be imported: name it like a Python module")
    module = importlib.util.module_from_spec(spec)
    # Types in annotations are looked up there.
    sys.modules[name] = module
    try:
        # Docstrings of fields and lines of tracebacks are looked up there; what has no time is never read anew.
        lines = importlib.util.decode_source(text).splitlines(keepends=True)
        linecache.cache[str(file)] = (len(text), None, lines, str(file))
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise PluginError(f"{file}, line {_line(error, file)}: {type(error).__name__} ({error})") from error
    return module


def _classes(module: ModuleType) -> Iterator[type[Plugin]]:
    for cls in vars(module).values():
        if (
            inspect.isclass(cls)
            and issubclass(cls, Plugin)
            and cls.__module__ == module.__name__
            and not is_abstract(cls)
        ):
            yield cls


def _line(error: BaseException, file: Path) -> int:
    if isinstance(error, SyntaxError):
        return error.lineno or 1
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return (lines or [1])[-1] or 1
