"""What Envoy is given for a source: the bootstrap, and the files that it watches."""

import json
from typing import NamedTuple

from outrider_cli.folder import Folder, Shift, write_private
from outrider_cli.kept_keys import has_inline_key, kept
from outrider_cli.loading import Loaded
from outrider_envoy.render.live import CLUSTERS, joined, live_bootstrap, watched
from outrider_envoy.render.plan import Plan

__all__ = ["CLUSTERS", "Rendered", "render", "with_old_clusters"]


class Rendered(NamedTuple):
    """One of the files: its name, the prefix of Envoy's statistics about it, and its version in them."""

    name: str
    stats: str
    version: str
    source: str = ""
    """What the file is called before it is given, if otherwise."""


def with_old_clusters(file: Rendered, old: Shift, new: Shift) -> Rendered:
    """Writes a file of clusters that has those of another shift, too."""
    before, now = (json.loads((shift.envoy / file.name).read_text(encoding="utf-8")) for shift in (old, new))
    both, source = joined(before, now), "clusters.both.json"
    write_private(new.envoy / source, json.dumps(both))
    return Rendered(file.name, file.stats, str(both["version_info"]), source)


def render(loaded: Loaded, folder: Folder, shift: Shift) -> list[Rendered]:
    """Writes what an Envoy in front of the shift's workers needs, in the order to be given. Raises `ConfigError`."""
    plan = _plan(loaded, folder, shift)
    write_private(folder.bootstrap, json.dumps(live_bootstrap(plan)))
    has_keys = any(has_inline_key(one) for one in plan.configuration.certificates)
    found: list[Rendered] = []
    for one in watched(plan):
        document = kept(one.document, folder.envoy) if has_keys else one.document
        write_private(shift.envoy / one.name, json.dumps(document))
        found.append(Rendered(one.name, one.stats, one.version))
    return found


def _plan(loaded: Loaded, folder: Folder, shift: Shift) -> Plan:
    count = loaded.configuration.gateway.workers
    shifts = (folder.shift(0), folder.shift(1))
    teams = {one.name: tuple(f"unix:{one.socket(index)}" for index in range(count)) for one in shifts}
    return loaded.plan(teams[shift.name], admin=folder.admin, folder=folder.envoy, teams=teams)
