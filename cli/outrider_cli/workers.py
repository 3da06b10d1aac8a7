"""The plugin workers of a gateway: started, watched, started again."""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from outrider.metrics import Metrics, Pulse
from outrider_cli.child import Child
from outrider_cli.folder import Shift
from outrider_cli.hang import where
from outrider_cli.transports import ENGINE
from outrider_cli.worker import DRAIN, INHERITED, LINGER, RETIRE

if TYPE_CHECKING:
    from outrider_envoy.grpcio_tls import TlsFiles

_log = logging.getLogger("outrider.supervisor")

LOOK = 0.05
"""How often the supervisor looks at its workers, in seconds."""
PATIENCE = 120.0
"""How long a worker may take to start, in seconds: with 100,000 consumers it takes a tenth of it."""


class Workers:
    """Keeps one process for each address. `limit` is how many seconds one may not answer before it is replaced.

    `numbers` is where Kong's workers count the instances of plugins.
    """

    def __init__(
        self,
        shift: Shift,
        addresses: Sequence[str],
        limit: float,
        metrics: Metrics,
        numbers: Path | None = None,
        transport: str = ENGINE,
        patience: float = PATIENCE,
        tls: "TlsFiles | None" = None,
    ) -> None:
        restarts = metrics.counter("outrider_worker_restarts_total", "Workers that were started again.")
        self._shift = shift
        self._limit = limit
        self._patience = patience
        self._children = [
            Child(
                f"worker {index}",
                [*_command(shift, index, address, transport, numbers), *(("--tls", *map(str, tls)) if tls else ())],
                restarts.add,
                _descriptors(address),
            )
            for index, address in enumerate(addresses)
        ]

    async def keep(self) -> None:
        """Runs the workers until `stop`. Raises `StartError` if one of them does not start."""
        async with asyncio.TaskGroup() as tasks:
            for index, child in enumerate(self._children):
                tasks.create_task(self._keep(index, child))

    async def _keep(self, index: int, child: Child) -> None:
        watching = asyncio.ensure_future(self._watch(index, child))
        try:
            await child.keep()
        finally:
            watching.cancel()

    async def stop(self) -> None:
        """Lets requests in flight finish, then ends the workers."""
        await asyncio.gather(*(child.stop(signal.SIGTERM, DRAIN + 2) for child in self._children))

    async def retire(self) -> None:
        """Lets requests in flight finish that take longer, where others serve already; `stop` cuts it short."""
        await asyncio.gather(*(child.stop(RETIRE, LINGER + 2) for child in self._children))

    async def started(self) -> None:
        """Waits until every worker takes requests."""
        while not self.ready:
            await asyncio.sleep(0.02)
        for child in self._children:
            child.prove()

    def clear_gauges(self) -> None:
        """Of workers that have ended: what they held is no part of a sum any more. Their counters stay."""
        for index in range(len(self._children)):
            Metrics(self._shift.metrics(index)).close()

    @property
    def ready(self) -> bool:
        """Whether every worker takes requests."""
        return all(self._pulse_is_fresh(index, child) for index, child in enumerate(self._children))

    def _pulse_is_fresh(self, index: int, child: Child) -> bool:
        pulse = Pulse.read(self._shift.metrics(index))
        alive = child.pid is not None and pulse.heartbeat > child.started
        return alive and pulse.ready and time.monotonic() - pulse.heartbeat < self._limit

    async def _watch(self, index: int, child: Child) -> None:
        while True:
            await asyncio.sleep(LOOK)
            # One that stops is not ready on purpose.
            if child.pid is None or child.is_stopping:
                continue
            pulse, now = Pulse.read(self._shift.metrics(index)), time.monotonic()
            alive = pulse.heartbeat > child.started
            if alive and pulse.ready:
                child.prove()
            if alive and now - pulse.heartbeat > self._limit:
                await self._replace(index, child, f"did not answer for {now - pulse.heartbeat:.1f} s")
            elif not (alive and pulse.ready) and now - child.started > self._patience:
                await self._replace(index, child, f"was not ready within {self._patience:g} s")

    async def _replace(self, index: int, child: Child, why: str) -> None:
        """Ends a worker that hangs. It is asked first to say where; one that is frozen can't."""
        pid = child.pid
        child.signal(signal.SIGABRT)
        for _ in range(10):
            await asyncio.sleep(LOOK)
            if child.pid != pid:
                break
        else:
            child.signal(signal.SIGKILL)
        _log.error("%s %s %s: replaced", child.name, why, self._where(index))

    def _where(self, index: int) -> str:
        """The line that the worker hung in, as faulthandler wrote it."""
        return where(self._shift.trace(index).read_text(errors="replace"))


def _descriptors(address: str) -> tuple[int, ...]:
    """What a worker inherits: the socket that it listens on with others."""
    return (int(address.removeprefix(INHERITED)),) if address.startswith(INHERITED) else ()


def _command(shift: Shift, index: int, address: str, transport: str, numbers: Path | None) -> list[str]:
    return [
        *(sys.executable, "-m", "outrider_cli.worker"),
        *("--folder", str(shift.folder), "--shift", shift.name, "--index", str(index), "--address", address),
        *("--transport", transport),
        *(("--numbers", str(numbers)) if numbers else ()),
    ]
