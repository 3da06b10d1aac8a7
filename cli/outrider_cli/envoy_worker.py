"""What a worker behind Envoy serves, and by what."""

from typing import Protocol

from outrider.errors import StartError
from outrider.metrics import Metrics
from outrider_cli.loading import Loaded
from outrider_cli.transports import GRPCIO
from outrider_envoy.selection import Chains


class Server(Protocol):
    """Either transport."""

    async def start(self, address: str) -> int: ...
    async def drain(self, seconds: float) -> None: ...


async def started(loaded: Loaded, metrics: Metrics, address: str, transport: str) -> Server:
    """A server that listens. Raises `StartError` if the address can't be had."""
    chains = Chains(loaded.chains.values(), loaded.configuration.routes)
    server = _grpcio(chains, metrics) if transport == GRPCIO else _engine(chains, metrics)
    try:
        await server.start(address)
    except OSError as error:
        reason = error.strerror or "another process may have it"
        raise StartError(f"{address} can't be listened on ({reason}): choose another address") from error
    return server


def _engine(chains: Chains, metrics: Metrics) -> Server:
    from outrider_envoy.engine.server import EngineServer

    return EngineServer(chains, metrics)


def _grpcio(chains: Chains, metrics: Metrics) -> Server:
    from outrider_envoy.grpcio_server import GrpcioServer

    return GrpcioServer(chains, metrics)
