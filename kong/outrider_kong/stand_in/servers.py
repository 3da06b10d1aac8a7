"""What Kong asks a plugin server's commands for, and what makes it refuse to start."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from outrider_kong.stand_in.mistakes import MistakeError
from outrider_kong.stand_in.settings import ServerLines
from outrider_kong.stand_in.values import is_list, is_table


@dataclass(frozen=True, kw_only=True)
class PluginInfo:
    """The first plugin in the answer of a query command; Kong reads no other."""

    name: str
    protocol: str
    phases: tuple[str, ...]
    version: str
    priority: float
    schema: Mapping[str, Any]
    socket: str


def query_all(servers: Iterable[ServerLines]) -> dict[str, PluginInfo]:
    """Asks every server, by the plugin's name; a later server takes the place of an earlier one, as in Kong."""
    return {info.name: info for info in map(query, servers)}


def query(server: ServerLines) -> PluginInfo:
    """Runs a query command through the shell and reads its standard output as JSON."""
    # Kong runs it through the shell, too; the command is the operator's own.
    answer = subprocess.run(server.query_cmd, shell=True, stdout=subprocess.PIPE, check=False).stdout  # noqa: S602
    return read(server, answer)


def read(server: ServerLines, answer: bytes) -> PluginInfo:
    """Takes the answer of a query command apart."""
    try:
        dump: Any = json.loads(answer)
    except ValueError:
        raise MistakeError(f"{server.name}: {server.query_cmd}: printed no JSON, but {answer[:80]!r}.") from None
    if is_list(dump):
        dump = {"Plugins": dump}
    if not is_table(dump):
        raise MistakeError(f"{server.name}: {server.query_cmd}: printed {answer[:80]!r}, which is no table.")
    protocol, plugins = dump.get("Protocol", "MsgPack:1"), dump.get("Plugins")
    if not is_list(plugins) or not plugins or not is_table(plugins[0]):
        raise MistakeError(f"{server.name}: {server.query_cmd}: names no plugin.")
    return _info(server, protocol, plugins[0])


def _info(server: ServerLines, protocol: str, plugin: Mapping[str, Any]) -> PluginInfo:
    for key in ("Name", "Version", "Priority", "Phases", "Schema"):
        if plugin.get(key) is None:
            raise MistakeError(f"{server.name}: {server.query_cmd}: {key} is missing.")
    return PluginInfo(
        name=plugin["Name"],
        protocol=protocol,
        phases=tuple(plugin["Phases"]),
        version=plugin["Version"],
        priority=plugin["Priority"],
        schema=plugin["Schema"],
        socket=server.socket,
    )
