"""The file of a test's gateway, made from the instances of its plugins."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr, TypeAdapter
from pydantic_core import to_jsonable_python

from outrider.discovery import GROUP
from outrider.errors import StartError
from outrider.plugin import Plugin, plugin_name


class PluginFolders:
    """Names plugins as a file does: those that are installed, and others by a folder for each of their files."""

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self._installed = {entry.value: entry.name for entry in entry_points(group=GROUP)}
        self._files: dict[Path, Path] = {}

    @property
    def folders(self) -> list[str]:
        """For `plugin_dirs`."""
        return [str(link.parent) for link in self._files.values()]

    def name(self, cls: type[Plugin]) -> str:
        """What the file calls a plugin. Raises `StartError` for one that no other process can find."""
        if name := self._installed.get(f"{cls.__module__}:{cls.__qualname__}"):
            return name
        if cls.__qualname__ != cls.__name__:
            raise StartError(f"{cls.__qualname__} is defined inside of something: move it to the top of its file")
        file = inspect.getsourcefile(cls)
        if file is None:
            raise StartError(f"{cls.__qualname__} comes from no file: write it into one")
        self._link(Path(file).resolve(), cls.__module__.rpartition(".")[2])
        return plugin_name(cls)

    def _link(self, file: Path, module: str) -> None:
        """Puts a file into a folder of its own: its neighbours may be tests, and no plugins."""
        if file not in self._files:
            link = self._parent / f"plugins-{len(self._files)}" / f"{module.lstrip('_')}.py"
            link.parent.mkdir()
            link.symlink_to(file)
            self._files[file] = link


def entries(plugins: Iterable[Plugin], folders: PluginFolders) -> list[dict[str, Any]]:
    """The plugins as they stand in a file; what has its default is left out."""
    return [{"name": folders.name(type(plugin)), "config": config(plugin)} for plugin in plugins]


def config(plugin: Plugin) -> dict[str, Any]:
    """The fields of an instance, as a file would have them."""
    dumped = TypeAdapter(type(plugin)).dump_python(plugin, exclude_defaults=True)
    return cast("dict[str, Any]", to_jsonable_python(_written(dumped)))


def _written(value: object) -> object:
    """The same with secrets in clear, and with whole paths: in the file, relative ones would begin beside it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, dict):
        return {key: _written(item) for key, item in cast("dict[str, object]", value).items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_written(item) for item in cast("Iterable[Any]", value)]
    return value


def document(
    plugins: Sequence[dict[str, Any]],
    consumers: Sequence[Mapping[str, Any]],
    upstream: str,
    gateway: Mapping[str, Any],
) -> dict[str, Any]:
    """The whole file: one service with one route for every path."""
    route = {"name": "test", "paths": ["/"], "strip_path": False, "preserve_host": True}
    return {
        "_format_version": "3.0",
        "gateway": {"workers": 1, "concurrency": 1, "log": {"format": "json"}, **gateway},
        "services": [{"name": "test", "url": upstream, "routes": [route], "plugins": list(plugins)}],
        "consumers": list(consumers),
    }
