"""Finds plugins: those that are installed, and those in folders of plain files."""

import importlib.util
import inspect
import linecache
import sys
import traceback
from collections.abc import Iterator, Mapping
from importlib.machinery import SourceFileLoader
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from outrider.errors import PluginError
from outrider.plugin import Plugin, is_abstract, plugin_name

GROUP = "outrider.plugins"
"""The entry-point group that a package names its plugins in; the bundled ones use it too."""


def installed(only: str | None = None) -> dict[str, type[Plugin]]:
    """Every installed plugin by name, or `only` that one. Raises `PluginError` for one that can't be imported."""
    found: dict[str, type[Plugin]] = {}
    entries = entry_points(group=GROUP) if only is None else entry_points(group=GROUP, name=only)
    for entry in sorted(entries, key=lambda entry: entry.name):
        try:
            cls = entry.load()
        except Exception as error:
            raise PluginError(f"the plugin {entry.name} of {entry.value} can't be imported: {error}") from error
        if not (inspect.isclass(cls) and issubclass(cls, Plugin)):
            raise PluginError(f"the plugin {entry.name} is {entry.value}, which is no Plugin class")
        found[entry.name] = cls
    return found


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
