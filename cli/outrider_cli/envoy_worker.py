"""What a worker behind Envoy serves, and by what."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from outrider.errors import StartError
from outrider.metrics import Metrics
from outrider.pressure import Pressure
from outrider_cli.loading import Loaded
from outrider_cli.transports import GRPCIO
from outrider_envoy.rate_limit_service import RateLimits
from outrider_envoy.selection import Chains

if TYPE_CHECKING:
    from outrider_plugins.counting.storage import Storage


class Server(Protocol):
    """Either transport."""

    async def start(self, address: str) -> int: ...
    async def drain(self, seconds: float) -> None: ...


async def started(
    loaded: Loaded,
    metrics: Metrics,
    pressure: Pressure,
    address: str,
    transport: str,
    shared: Path,
    tls: Sequence[Path] | None = None,
) -> Server:
    """A server that listens; `shared` is the folder of all workers. Raises `StartError` if it can't start.

    `tls` are the files of `TlsFiles`, which only grpcio takes.
    """
    chains = Chains(loaded.chains.values(), loaded.configuration.routes)
    limits, storage = _limits(loaded, metrics, shared)
    made = chains, metrics, limits, pressure
    server = _grpcio(*made, tls) if transport == GRPCIO else _engine(*made)
    try:
        await server.start(address)
    except OSError as error:
        reason = error.strerror or "another process may have it"
        raise StartError(f"{address} can't be listened on ({reason}): choose another address") from error
    return server if storage is None else _Counting(server, storage)


def _engine(chains: Chains, metrics: Metrics, limits: RateLimits | None, pressure: Pressure) -> Server:
    from outrider_envoy.engine.server import EngineServer

    return EngineServer(chains, metrics, rate_limits=limits, pressure=pressure)


def _grpcio(
    chains: Chains, metrics: Metrics, limits: RateLimits | None, pressure: Pressure, tls: Sequence[Path] | None
) -> Server:
    from outrider_envoy.grpcio_server import GrpcioServer
    from outrider_envoy.grpcio_tls import TlsFiles, credentials

    return GrpcioServer(chains, metrics, limits, pressure, credentials(TlsFiles(*tls)) if tls else None)


def _limits(loaded: Loaded, metrics: Metrics, shared: Path) -> "tuple[RateLimits | None, Storage | None]":
    service = loaded.configuration.gateway.rate_limit_service
    if service is None:
        return None, None
    from outrider_cli.rate_limit_service import opened

    return opened(service, shared, metrics)


class _Counting:
    """A server with a rate limit service, and the storage of its counts."""

    def __init__(self, server: Server, storage: "Storage") -> None:
        self._server = server
        self._storage = storage

    async def start(self, address: str) -> int:
        return await self._server.start(address)

    async def drain(self, seconds: float) -> None:
        await self._server.drain(seconds)
        await self._storage.close()
