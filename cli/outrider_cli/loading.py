"""From a file to chains: what every command needs before it does anything."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from outrider import discovery
from outrider.chain import Chain
from outrider.compiling import compile_chains, identity_headers
from outrider.config import Configuration, Gateway, build
from outrider.config.document import parse, read_text
from outrider.metrics import Metrics
from outrider_envoy.capabilities import unsupported
from outrider_envoy.render import Plan


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid file, and its chains by route."""

    configuration: Configuration
    chains: dict[str, Chain]

    def plan(self, workers: tuple[str, ...], admin: Path | None = None) -> Plan:
        """What Envoy's configuration is rendered from."""
        return Plan(self.configuration, self.chains, identity_headers(self.configuration), workers, admin)


@dataclass(frozen=True)
class Source:
    """A configuration as text, and the file that it came from: relative paths begin beside it."""

    path: Path
    text: str

    @classmethod
    def read(cls, path: Path) -> "Source":
        """Reads the file once: whatever happens to it later, all processes go by the same text."""
        return cls(path, read_text(path))

    @cached_property
    def configuration(self) -> Configuration:
        """What the text says, checked for Envoy. Raises `ConfigError` with every mistake."""
        document = parse(self.text, str(self.path), self.path.resolve().parent)
        return build(document, discovery.installed(), discovery.in_folder, also=unsupported)

    @property
    def gateway(self) -> Gateway:
        return self.configuration.gateway

    def load(self, metrics: Metrics | None = None) -> Loaded:
        """The chains; what they count goes into `metrics`."""
        chains = compile_chains(self.configuration, metrics or Metrics(slots=1 << 16))
        return Loaded(self.configuration, {chain.route.name: chain for chain in chains})
