"""Finds plugins: those that are installed, and those in folders of plain files."""

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from outrider.errors import PluginError
from outrider.plugin import Plugin, is_abstract, plugin_name

GROUP = "outrider.plugins"
"""The entry-point group that a package names its plugins in; the bundled ones use it too."""


def installed() -> dict[str, type[Plugin]]:
    """Every installed plugin by name. Raises `PluginError` for one that can't be imported."""
    found: dict[str, type[Plugin]] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
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
    found: dict[str, type[Plugin]] = {}
    for file in sorted(folder.glob("*.py")):
        if file.name.startswith("_"):
            continue
        for cls in _classes(_module(file)):
            if found.setdefault(plugin_name(cls), cls) is not cls:
                raise PluginError(f"{file}: a second plugin called {plugin_name(cls)}: give its class another name")
    return found


def _module(file: Path) -> ModuleType:
    name = f"outrider_plugin_dir.{file.parent.name}.{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise PluginError(f"{file} can't be imported: name it like a Python module")
    module = importlib.util.module_from_spec(spec)
    # Types in annotations are looked up there.
    sys.modules[name] = module
    try:
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
