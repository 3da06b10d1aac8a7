"""What `outrider render kong --info` prints: Kong waits for it when it starts, once for each name."""

import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path

import yaml

from outrider import discovery
from outrider.plugin import Plugin
from outrider_kong.info import info
from outrider_kong.names import CHAINS, PREFIX

# Not outrider.config, which takes a quarter of the time: of FILE only the plugin_dirs are needed.


def to_json(file: Path, name: str, *, for_kong_pdk: bool = False) -> str:
    """The JSON that tells Kong of the plugin `name`. Raises `OutriderError` for a name or a FILE that is wrong."""
    # What a plugin prints when it is imported must not stand before the JSON.
    with redirect_stdout(sys.stderr):
        told = info(name, _classes(file, name))
    return json.dumps(told | ({"Protocol": "MsgPack:1"} if for_kong_pdk else {}))


def _classes(file: Path, name: str) -> Mapping[str, type[Plugin]]:
    """What is needed to tell of `name`: for an installed plugin no more than these, else all that FILE may name."""
    installed = discovery.installed()
    if name not in CHAINS and name.removeprefix(PREFIX) in installed:
        return installed
    return discovery.together(installed, *map(discovery.in_folder, _plugin_dirs(file)))


def _plugin_dirs(file: Path) -> list[Path]:
    try:
        data = yaml.load(file.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
        given = data.get("gateway", {}).get("plugin_dirs", [])
        folders = [file.resolve().parent / folder for folder in given]
    except (OSError, yaml.YAMLError, AttributeError, TypeError):
        return _loaded(file)
    return folders if isinstance(given, list) and all(folder.is_dir() for folder in folders) else _loaded(file)


def _loaded(file: Path) -> list[Path]:
    """The same where something about FILE is odd: raises `ConfigError`, with every mistake, if it is wrong."""
    from outrider.config import load

    return list(load(file, discovery.installed(), discovery.in_folder).gateway.plugin_dirs)
