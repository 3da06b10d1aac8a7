"""All that Envoy's configuration is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from outrider.chain import Chain
from outrider.config import Configuration, Target

Section = dict[str, Any]
"""A piece of Envoy's configuration, in the JSON form of its protobuf messages."""


class WorkerTls(NamedTuple):
    """What an Envoy shows to workers on another machine, and believes: files of its own machine, as PEM."""

    certificate: str
    key: str
    authority: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The file, its chains by route, the addresses of the workers, and where Envoy's admin interface goes."""

    configuration: Configuration
    chains: Mapping[str, Chain]
    identity_headers: frozenset[str]
    workers: tuple[str, ...]
    """`unix:PATH` or `HOST:PORT`, one for each worker: one Envoy thread holds one connection to each."""
    admin: Path | None = None
    folder: Path | None = None
    """The folder of the files that a running Envoy watches; None for a bootstrap that holds everything."""
    teams: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """With a folder: the workers that take turns while Envoy runs. `workers` are those of one of these."""
    has_routes: bool = True
    """Whether the routes are ours too, or those of an Envoy of somebody else's."""
    worker_tls: WorkerTls | None = None
    """For workers on another machine."""
    targets: Mapping[str, tuple[Target, ...]] = field(default_factory=dict[str, tuple[Target, ...]])
    """The targets of upstreams that have others now than the file says."""

    @property
    def is_live(self) -> bool:
        """Whether the file may change while Envoy runs."""
        return self.folder is not None

    @property
    def wants_bodies(self) -> bool:
        """Whether any plugin reads bodies, whole or piece by piece."""
        return any(chain.reads_bodies for chain in self.chains.values())

    @property
    def holds_bodies(self) -> bool:
        """Whether any plugin reads a whole body, which Envoy must hold for it."""
        return any({"on_request_body", "on_response_body"} & chain.hooks for chain in self.chains.values())


def typed(kind: str, **fields: Any) -> Section:
    """A `google.protobuf.Any` of that type."""
    return {"@type": f"type.googleapis.com/{kind}", **fields}


def seconds(value: float) -> str:
    """A `google.protobuf.Duration`."""
    return f"{value:.3f}s"


def address_of(endpoint: str) -> Section:
    """`unix:PATH` or `HOST:PORT` as Envoy's Address."""
    if endpoint.startswith("unix:"):
        return {"pipe": {"path": endpoint.removeprefix("unix:")}}
    host, _, port = endpoint.rpartition(":")
    return {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}
