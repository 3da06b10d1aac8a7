"""Checks a changed source in a process of its own.

    python -m outrider_cli.checking FOLDER SHIFT SETTINGS

A plugin is imported there as it would be in a new worker; one that hangs, or that exits, stops nobody else's work.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from outrider.config import ConfigError, Configuration, Mistake
from outrider.config.document import pack
from outrider.errors import OutriderError
from outrider_cli.child import ended
from outrider_cli.folder import Folder, Shift, write_private
from outrider_cli.loading import Loaded, Source
from outrider_cli.rendered import Rendered, render

PATIENCE = 120.0
"""How long a check may take, in seconds: 100,000 consumers take a tenth of it."""
FIXED = ("listen", "metrics", "workers", "concurrency", "protocol", "trusted_ips", "log")
"""The settings of the gateway that are those of its start."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the supervisor has to know of a source, which it does not read itself."""

    longest: float
    """The longest time that a hook may take, in seconds."""
    guarded: list[str]
    """The routes that run plugins."""
    fixed: dict[str, str]
    """The settings of the gateway that a running one keeps."""
    files: list[Rendered] = field(default_factory=list[Rendered])
    """What Envoy is given."""
    endpoints: Path | None = None
    """The folder of files with targets."""
    left_out: list[str] = field(default_factory=list[str])
    """With `--lenient`: a line for each thing that Envoy can't do."""

    @classmethod
    def of(cls, source: Source, folder: Folder, shift: Shift, *, has_envoy: bool) -> "Checked":
        """Loads the source, and writes what an Envoy of ours is given for it. Raises `ConfigError`."""
        loaded = source.load()
        files = render(loaded, folder, shift) if has_envoy else []
        configuration = loaded.configuration
        endpoints = configuration.gateway.endpoints if source.kind == "envoy" else None
        found = _longest(configuration), _guarded(loaded), _fixed(configuration)
        return cls(*found, files, endpoints, source.with_left_out[1])

    @classmethod
    def from_json(cls, written: str) -> "Checked":
        row = json.loads(written)
        row["files"] = [Rendered(*file) for file in row["files"]]
        row["endpoints"] = Path(row["endpoints"]) if row["endpoints"] else None
        return cls(**row)

    def to_json(self) -> str:
        return json.dumps(asdict(self), default=str)


def _longest(configuration: Configuration) -> float:
    return max((one.plugin.timeout for one in configuration.plugins), default=0) / 1000


def _guarded(loaded: Loaded) -> list[str]:
    return [name for name, chain in loaded.chains.items() if chain.slots]


def _fixed(configuration: Configuration) -> dict[str, str]:
    settings = configuration.gateway.model_dump(mode="json", include=set(FIXED))
    return {name: json.dumps(settings[name]) for name in FIXED}


def keep(source: Source, shift: Shift) -> None:
    """Writes what the workers of a shift go by."""
    write_private(shift.packed, pack(source.configuration.document, source.text))
    write_private(shift.snapshot, source.to_json())


async def check(source: Source, shift: Shift, serving: Checked) -> Checked:
    """Writes the snapshot of the shift and what Envoy is given for it. Raises `OutriderError`."""
    write_private(shift.snapshot, source.to_json())
    shift.checked.unlink(missing_ok=True)
    command = [sys.executable, "-m", __name__, str(shift.folder), shift.name, json.dumps(serving.fixed)]
    code = await ended(command, PATIENCE)
    if not shift.checked.exists():
        why = f"took more than {PATIENCE:g} s" if code is None else f"ended with {code}"
        raise OutriderError(f"{source.path}: the check of the changed plugins {why}: see what they do when imported")
    found = shift.checked.read_text(encoding="utf-8")
    if mistakes := json.loads(found).get("mistakes"):
        raise OutriderError("\n".join(mistakes))
    return Checked.from_json(found)


def _moved(source: Source, fixed: dict[str, str]) -> Iterator[Mistake]:
    """What a running gateway would have to be another one for."""
    now = _fixed(source.configuration)
    for name in (name for name in FIXED if now[name] != fixed[name]):
        what = f"can't change while the gateway runs, where it is {fixed[name]}"
        remedy = "change it back, or start the gateway again"
        yield source.configuration.document.mistake(("gateway", name), what, remedy)


def main(folder: Folder, shift: Shift, fixed: dict[str, str]) -> None:
    """Checks what the supervisor wrote, and writes what it found."""
    source = Source.from_json(shift.snapshot.read_text(encoding="utf-8"))
    try:
        if mistakes := list(_moved(source, fixed)):
            raise ConfigError(mistakes)
        found = Checked.of(source, folder, shift, has_envoy=source.kind == "envoy").to_json()
        # With the files of a plugin folder that the source did not have before.
        keep(source, shift)
    except OutriderError as error:
        found = json.dumps({"mistakes": str(error).splitlines()})
    write_private(shift.checked, found)


if __name__ == "__main__":
    main(Folder(Path(sys.argv[1])), Shift(Path(sys.argv[1]), sys.argv[2]), json.loads(sys.argv[3]))
