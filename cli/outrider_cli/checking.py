"""Checks a changed source in a process of its own.

    python -m outrider_cli.checking FOLDER SHIFT

A plugin is imported there as it would be in a new worker; one that hangs, or that exits, stops nobody else's work.
"""

import json
import sys
from pathlib import Path

from outrider.errors import OutriderError
from outrider_cli.child import ended
from outrider_cli.folder import Folder, Shift, write_private
from outrider_cli.loading import Source
from outrider_envoy.render import bootstrap

PATIENCE = 30.0
"""How long a check may take, in seconds."""


def longest_hook(source: Source) -> float:
    """The longest time that a hook of the file's plugins may take, in seconds."""
    return max((one.plugin.timeout for one in source.configuration.plugins), default=0) / 1000


def write_bootstrap(source: Source, folder: Folder, shift: Shift, *, reload: bool) -> None:
    """Writes what an Envoy in front of the shift's workers is started with. Raises `ConfigError`."""
    addresses = tuple(f"unix:{folder.socket(index)}" for index in range(source.gateway.workers))
    plan = source.load().plan(addresses, folder.admin, replaces_workers=reload)
    write_private(shift.bootstrap, json.dumps(bootstrap(plan)))


async def check(source: Source, shift: Shift) -> float:
    """Writes snapshot and bootstrap of the shift, and gives the longest hook's seconds. Raises `OutriderError`."""
    write_private(shift.snapshot, source.to_json())
    shift.checked.unlink(missing_ok=True)
    code = await ended([sys.executable, "-m", __name__, str(shift.folder), shift.name], PATIENCE)
    if not shift.checked.exists():
        why = f"took more than {PATIENCE:g} s" if code is None else f"ended with {code}"
        raise OutriderError(f"{source.path}: the check of the changed plugins {why}: see what they do when imported")
    found = json.loads(shift.checked.read_text())
    if "longest" not in found:
        raise OutriderError("\n".join(found["mistakes"]))
    longest: float = found["longest"]
    return longest


def main(folder: Folder, shift: Shift) -> None:
    """Checks what the supervisor wrote, and writes what it found."""
    source = Source.from_json(shift.snapshot.read_text(encoding="utf-8"))
    try:
        if source.kind == "envoy":
            write_bootstrap(source, folder, shift, reload=True)
        found: dict[str, object] = {"longest": longest_hook(source)}
    except OutriderError as error:
        found = {"mistakes": str(error).splitlines()}
    write_private(shift.checked, json.dumps(found))


if __name__ == "__main__":
    main(Folder(Path(sys.argv[1])), Shift(Path(sys.argv[1]), sys.argv[2]))
