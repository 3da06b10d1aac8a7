"""The modules that kong-pdk loads, one for each name in Kong: `outrider render kong --pdk DIR` writes them."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from outrider.errors import OutriderError, StartError
from outrider_kong import render

_MODULE = '''"""{name} for kong-pdk. `outrider render kong --pdk` wrote this file, and writes it again."""

from outrider_cli.kong_pdk_plugin import plugin

Plugin, Schema, version, priority = plugin({file!r}, {name!r})
'''


def write(folder: Path, file: Path, names: Iterable[str]) -> None:
    """Writes a module for each name, which runs the plugins of FILE. Raises `OutriderError` if that can't be."""
    if find_spec("kong_pdk") is None:
        raise OutriderError('--pdk: kong-pdk is not installed: pip install "outrider[kong-pdk]"')
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / f"{name}.py").write_text(_MODULE.format(name=name, file=str(file)), encoding="utf-8")
    except OSError as error:
        raise StartError(f"--pdk: {folder} can't be written to ({error.strerror or error})") from error


@dataclass(frozen=True, slots=True)
class Place(render.Place):
    """Where things are, with kong-pdk in place of our own server."""

    modules: Path

    @classmethod
    def beside(cls, place: render.Place, modules: Path) -> "Place":
        """The same place, with kong-pdk's modules."""
        return cls(place.command, place.file, place.socket, place.kong_yml, modules)

    def start(self) -> str:
        """The command that starts kong-pdk's server."""
        server = str(self.command.with_name("kong-python-pluginserver"))
        where = ["--kong-prefix", str(self.socket.parent), "--socket-name", self.socket.name]
        return shlex.join([server, "-g", "--plugins-directory", str(self.modules), *where])

    def query(self, name: str) -> str:
        """The command that tells Kong about one plugin: of all that kong-pdk's own tells of, Kong reads the first."""
        return shlex.join([*shlex.split(render.Place.query(self, name)), "--pdk", str(self.modules)])
