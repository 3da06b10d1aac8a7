"""From a file to chains: what every command needs before it does anything."""

import gc
import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from outrider import discovery
from outrider.chain import Chain
from outrider.compiling import compile_chains, identity_headers
from outrider.config import Configuration, Gateway, Mistake, build
from outrider.config.document import Document, parse, read_text, unpack
from outrider.config.endpoint_files import current_targets
from outrider.metrics import Metrics
from outrider.plugin import Plugin
from outrider_envoy import capabilities as envoy
from outrider_envoy.kongs_own import irreplaceable, left_out, refused
from outrider_kong import capabilities as kong

if TYPE_CHECKING:
    from outrider_envoy.render import Plan

Kind = Literal["envoy", "kong"]
KongsOwn = Literal["refuse", "leave out", "keep"]
_KONGS_OWN = {"refuse": refused, "leave out": irreplaceable}
_UNSUPPORTED = {"envoy": envoy.unsupported, "kong": kong.unsupported}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid file, and its chains by route."""

    configuration: Configuration
    chains: dict[str, Chain]

    def plan(self, workers: tuple[str, ...] = (), **fields: Any) -> "Plan":
        """What Envoy's configuration is rendered from; `fields` are the plan's own."""
        # A worker renders nothing.
        from outrider_envoy.render import Plan

        identity = identity_headers(self.configuration)
        targets = current_targets(self.configuration)
        return Plan(self.configuration, self.chains, identity, workers, targets=targets, **fields)


@dataclass(frozen=True)
class Source:
    """A configuration as text, the file that it came from (relative paths begin beside it), and its plugin files."""

    path: Path
    text: str
    folders: dict[Path, dict[Path, bytes]] = field(default_factory=dict[Path, dict[Path, bytes]])
    """The texts of the plugin files by folder, each read when the configuration is first asked for."""
    kind: Kind = "envoy"
    """The gateway that it is for."""
    kongs_own: KongsOwn = "refuse"
    """What becomes of what Envoy can't do, if it is for Envoy."""
    packed: Path | None = field(default=None, compare=False)
    """A file of the private folder, which may hold the text as it was parsed before."""

    @classmethod
    def read(cls, path: Path, kind: Kind = "envoy", kongs_own: KongsOwn = "refuse") -> "Source":
        """Reads the file once: whatever happens to it later, all processes go by the same text."""
        return cls(path, read_text(path), kind=kind, kongs_own=kongs_own)

    @classmethod
    def from_json(cls, written: str, packed: Path | None = None) -> "Source":
        """The source that `to_json` wrote; nothing else is read."""
        path, text, folders, kind, kongs_own = json.loads(written)
        texts = {Path(folder): _encoded(files) for folder, files in folders.items()}
        return cls(Path(path), text, texts, kind, kongs_own, packed)

    def to_json(self) -> str:
        """All of it, with the plugin files that were read so far."""
        folders = {str(folder): _decoded(files) for folder, files in self.folders.items()}
        return json.dumps([str(self.path), self.text, folders, self.kind, self.kongs_own])

    def with_plugins_of_now(self) -> "Source":
        """The same text with the plugin files as they are now. Raises `PluginError` if one can't be read."""
        return replace(self, folders={folder: discovery.texts(folder) for folder in self.folders})

    @cached_property
    def configuration(self) -> Configuration:
        """What the text says, checked for its gateway. Raises `ConfigError` with every mistake."""
        return self.with_left_out[0]

    @cached_property
    def with_left_out(self) -> tuple[Configuration, list[str]]:
        """The same, with a line for each thing that is left out of it."""
        configuration = self._built()
        if self.kind == "envoy" and self.kongs_own == "leave out":
            return left_out(configuration)
        return configuration, []

    def _built(self) -> Configuration:
        with without_collector():
            return build(self._document(), discovery.installed(), self._in_folder, also=self._objections)

    def _document(self) -> Document:
        place = str(self.path), self.path.resolve().parent
        with suppress(OSError):
            if self.packed and (document := unpack(self.packed.read_bytes(), self.text, *place)):
                return document
        return parse(self.text, *place)

    def _objections(self, configuration: Configuration) -> Iterator[Mistake]:
        yield from _UNSUPPORTED[self.kind](configuration)
        if self.kind == "envoy" and self.kongs_own in _KONGS_OWN:
            yield from _KONGS_OWN[self.kongs_own](configuration)
        if configuration.gateway.rate_limit_service is not None:
            # Few files have one.
            from outrider_cli import rate_limit_service

            yield from rate_limit_service.mistakes(configuration)

    def classes(self) -> Mapping[str, type[Plugin]]:
        """All plugins by name: the installed ones, and those of the file's plugin_dirs."""
        folders = reversed(self.configuration.gateway.plugin_dirs)
        return discovery.together(*map(self._in_folder, folders), discovery.installed())

    @property
    def gateway(self) -> Gateway:
        return self.configuration.gateway

    def load(self, metrics: Metrics | None = None) -> Loaded:
        """The chains; what they count goes into `metrics`."""
        configuration = self.configuration
        with without_collector():
            chains = compile_chains(configuration, metrics or Metrics(slots=1 << 16))
        return Loaded(self.configuration, {chain.route.name: chain for chain in chains})

    def _in_folder(self, folder: Path) -> dict[str, type[Plugin]]:
        if folder not in self.folders:
            self.folders[folder] = discovery.texts(folder)
        return discovery.in_texts(self.folders[folder])


@contextmanager
def without_collector() -> Generator[None]:
    """Nothing that a configuration is made of is garbage; to look for some takes half of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


# A source file may have any encoding: surrogates carry the bytes of one that is not UTF-8.


def _decoded(files: Mapping[Path, bytes]) -> dict[str, str]:
    return {str(file): text.decode(errors="surrogateescape") for file, text in files.items()}


def _encoded(files: Mapping[str, str]) -> dict[Path, bytes]:
    return {Path(file): text.encode(errors="surrogateescape") for file, text in files.items()}
